"""Edit in Chunks: clips of any length."""

from comfy.samplers import SAMPLER_NAMES, SCHEDULER_NAMES
from comfy_api.latest import io

from ..videograin.comfyui.fingerprint import graph_below
from ..videograin.comfyui.validate import require_family
from ..videograin.core import latent_blend as blend
from ..videograin.core.ddim_inversion import CONVENTIONS
from ..videograin.core.regions import frame_masks
from ..videograin.jobs import early_checks, invert
from ..videograin.jobs.chunk_job import Job
from ..videograin.jobs.long_video import FOLDER, edit_in_chunks
from .anchors import MOST
from .declared import declared
from .types import Category

OFF = "off"


class EditInChunks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainEditInChunks",
            display_name="Edit in Chunks (Long Clips)",
            category=Category.INVERSION,
            description=(
                "Edits a clip of any length: encodes, inverts, edits, blends and decodes it chunk by chunk, with the same "
                "anchor frames in every chunk. It needs no more memory for a longer clip, and goes on after a crash where it "
                "was. It stands for VAE Encode, DDIM Inversion, Latent Blend, the sampler and VAE Decode."
            ),
            search_aliases=["long video", "batch", "sliding window", "VIA", "video to video", "resume"],
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="A Stable Diffusion UNet, after ST-Layout Attention, LoRA and the like. Full-Frame Attention acts "
                    "within a chunk. Not after Latent Blend or other nodes that have an INVERSION.",
                ),
                io.Vae.Input("vae", tooltip="The checkpoint's own VAE, for frames to latents and back."),
                io.Image.Input("frames", tooltip="The whole clip."),
                io.Conditioning.Input(
                    "source",
                    tooltip="Describes the clip as it is, for the inversion; apply ControlNet here as in the edit.",
                ),
                io.Conditioning.Input(
                    "positive",
                    tooltip="What it is to become. Masks of Bind Region Prompts and ControlNet hints, one per frame of the "
                    "whole clip, are cut to each chunk.",
                ),
                io.Conditioning.Input("negative", tooltip="What to avoid, as in a sampler."),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=1000,
                    tooltip="Noise levels, walked once up and once down (paper: 50). Time grows with them.",
                ),
                io.Float.Input(
                    "cfg",
                    default=7.5,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="How strongly `positive` is followed in the edit, as in a sampler. The inversion has 1.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=list(SAMPLER_NAMES),
                    default="euler",
                    advanced=True,
                    tooltip="Take a deterministic one: euler, dpmpp_2m and the like. Those that add noise leave the source's "
                    "path.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=list(SCHEDULER_NAMES),
                    default="ddim_uniform",
                    advanced=True,
                    tooltip="Spacing of the levels, for inversion and edit.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    advanced=True,
                    tooltip="Only for samplers that add noise: the edit starts from the clip's own. Another seed is another "
                    "edit: finished chunks are not used.",
                ),
                io.Int.Input(
                    "chunk_length",
                    default=16,
                    min=1,
                    max=4096,
                    tooltip="Frames edited at once, besides the anchors: as many as fit in memory. Longer chunks are faster "
                    "in all; with anchors and without Full-Frame Attention, the result does not depend on it.",
                ),
                io.Int.Input(
                    "overlap",
                    default=4,
                    min=0,
                    max=2048,
                    tooltip="Frames that a chunk shares with the next; over them the one gives way to the other. 0 is enough "
                    "with anchors and without Full-Frame Attention. Each costs a second edit of that frame.",
                ),
                io.Int.Input(
                    "anchors",
                    default=4,
                    min=0,
                    max=MOST,
                    advanced=True,
                    tooltip="Frames spread over the whole clip that stand in every chunk and that every frame sees (paper: "
                    "4). 0: chunks do not know of each other. Not used where `model` has passed through Anchor Attention, "
                    "whose frames and modes then hold.",
                ),
                io.Combo.Input(
                    "blend",
                    options=[*blend.PATHS, OFF],
                    default=blend.INVERSION,
                    advanced=True,
                    tooltip="What holds everything outside the mask to the source, as in Latent Blend: “inversion”; "
                    "“progressive”, with a soft edge that shrinks (VIA); “off”, nothing.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the edit may happen: one mask, or one per frame of the clip. Not connected: the regions of "
                    "`positive` together.",
                ),
                io.Int.Input(
                    "grow",
                    default=0,
                    min=0,
                    max=16,
                    optional=True,
                    tooltip="Widens the editable area by so many latent cells (8 pixels each).",
                ),
                io.Int.Input(
                    "feather",
                    default=0,
                    min=0,
                    max=16,
                    optional=True,
                    tooltip="Width in latent cells of a soft edge outside the grown area.",
                ),
                io.Int.Input(
                    "boundary",
                    default=blend.BOUNDARY,
                    min=0,
                    max=32,
                    optional=True,
                    advanced=True,
                    tooltip="Only for “progressive”: how far the soft edge reaches at the first step, in latent cells.",
                ),
                io.Int.Input(
                    "refinements",
                    default=2,
                    min=0,
                    max=20,
                    optional=True,
                    advanced=True,
                    tooltip="Fixed-point iterations per step of the inversion, as in DDIM Inversion: each costs one more model "
                    "call a step. 0 is what the papers do.",
                ),
                io.Boolean.Input(
                    "resume",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip=f"Takes chunks finished before from ComfyUI's output folder, {FOLDER}, if clip, model, prompts, "
                    "masks and settings are the same. Off: makes them all anew.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="frames",
                    tooltip="The edited clip, as many frames. Past 1 GiB they lie in a file in ComfyUI's temporary folder.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Chunks, anchors, seconds a frame, and where finished chunks are kept, for Preview as Text.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt, io.Hidden.prompt],
        )

    @classmethod
    @declared
    def execute(cls, model, vae, frames, source, positive, negative, steps: int, cfg: float, sampler_name: str,
                scheduler: str, seed: int, chunk_length: int, overlap: int, anchors: int, blend: str, mask=None,
                grow: int = 0, feather: int = 0, boundary: int = blend.BOUNDARY, refinements: int = 2,
                resume: bool = True) -> io.NodeOutput:  # fmt: skip
        require_family(model, "Edit in Chunks")
        job = Job(
            model=model,
            vae=vae,
            frames=frames,
            source=source,
            positive=positive,
            negative=negative,
            sigmas=invert.schedule(model, scheduler, steps),
            cfg=cfg,
            sampler=sampler_name,
            seed=seed,
            refinements=refinements,
            convention=CONVENTIONS[1],
            length=chunk_length,
            overlap=overlap,
            anchors=anchors,
            blend=None if blend == OFF else blend,
            mask=None if mask is None else frame_masks(mask).cpu(),
            grow=grow,
            feather=feather,
            boundary=boundary,
        )
        hidden = cls.hidden
        if hidden is None:  # called outside ComfyUI
            return io.NodeOutput(*edit_in_chunks(job, [], resume))
        graph = graph_below(hidden.dynprompt, hidden.unique_id)
        said = early_checks.of_source_prompt(hidden.prompt or {}, hidden.unique_id)
        return io.NodeOutput(*edit_in_chunks(job, graph, resume, said))
