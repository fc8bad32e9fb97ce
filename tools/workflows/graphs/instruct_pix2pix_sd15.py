"""workflows/instruct_pix2pix_sd15: an edit by instruction, from fresh noise, held together by anchors; SD 1.5 only."""

from ..graph import Checkpoint, Graph, Group, Node, Weights
from ..parts import EDIT, LAYOUT, REGIONS, clip_group, encoded, encoded_text, result_group
from ..twin import twin

INSTRUCT_PIX2PIX = Checkpoint(
    Weights(
        "instruct-pix2pix-00-22000.safetensors",
        "checkpoints",
        "https://huggingface.co/timbrooks/instruct-pix2pix/resolve/main/instruct-pix2pix-00-22000.safetensors",
    ),
    "InstructPix2Pix for Stable Diffusion 1.5",
)

clip = clip_group("1 Clip", "", left="dog", right="cat", background="grass")

instruction = Group(
    "2 Instruction",
    REGIONS,
    """\
## Say what to do, not what to see
This checkpoint was trained on instructions and sees the clip itself, frame by frame, beside the noise. So there is no \
inversion, no source prompt and no ST-Layout here: the instruction, and an empty text.""",
    columns=[
        [
            encoded_text("do", "Instruction", {"clip": "model.clip"}, {"text": "turn the dog into a bronze statue"}),
            encoded_text("nothing", "Empty text", {"clip": "model.clip"}),
        ],
        [
            Node(
                "pictures",
                "InstructPixToPixConditioning",
                links={
                    "positive": "do.CONDITIONING",
                    "negative": "nothing.CONDITIONING",
                    "vae": "model.vae",
                    "pixels": "clip.frames",
                },
            )
        ],
    ],
)

hold = Group(
    "3 Hold together",
    LAYOUT,
    """\
## One look, one place
*Anchor Attention*: four frames of the clip see each other, and every frame sees them. Without it each frame would be a \
statue of its own.

*Latent Blend*, “progressive”: the edit may reach beyond the mask at first and shrinks back to it, so that the statue is \
not cut out with scissors. Elsewhere the clip stays. For the whole picture leave it out.""",
    columns=[
        [
            Node("anchors", "VideoGrainAnchorAttention", links={"model": "model.model"}, values={"count": 4}),
            encoded("clip.frames"),
        ],
        [
            Node(
                "blend",
                "VideoGrainLatentBlend",
                links={"model": "anchors.model", "source": "latent.LATENT", "mask": "clip.left_mask"},
                values={"mode": "progressive"},
            )
        ],
    ],
)

edit = Group(
    "4 Edit",
    EDIT,
    """\
## Two strengths
*cfg_conds* is how strongly the instruction is followed, *cfg_cond2_negative* how closely the clip. Too little changes? Raise \
the first or lower the second, 1.2 to 2. VIA takes 10 steps; 20 draw more detail.

Each frame has noise of its own, and another *noise_seed* is another edit: try a few on a short piece.""",
    columns=[
        [
            Node("noise", "RandomNoise", values={"noise_seed": 0, "control_after_generate": "fixed"}),
            Node(
                "guider",
                "DualCFGGuider",
                links={
                    "model": "blend.model",
                    "cond1": "pictures.positive",
                    "cond2": "pictures.negative",
                    "negative": "nothing.CONDITIONING",
                },
                values={"cfg_conds": 7.5, "cfg_cond2_negative": 1.5, "style": "regular"},
            ),
            Node("euler", "KSamplerSelect", values={"sampler_name": "euler"}),
            Node(
                "levels", "BasicScheduler", links={"model": "model.model"}, values={"scheduler": "normal", "steps": 20}
            ),
        ],
        [
            Node(
                "sampler",
                "SamplerCustomAdvanced",
                links={
                    "noise": "noise.NOISE",
                    "guider": "guider.GUIDER",
                    "sampler": "euler.SAMPLER",
                    "sigmas": "levels.SIGMAS",
                    "latent_image": "pictures.latent",
                },
            ),
            Node("decoded", "VAEDecode", links={"samples": "sampler.output", "vae": "model.vae"}),
        ],
    ],
)

result = result_group(
    "5 Result",
    """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the mask and a soft edge around it.""",
    where={"mask": "clip.left_mask"},
)

GRAPH = twin(
    Graph(
        "instruct_pix2pix",
        columns=[[clip], [instruction, hold], [edit], [result]],
        checkpoint=INSTRUCT_PIX2PIX,
    )
)
