"""DDIM Inversion: from a clip to the noise that gives it back."""

from comfy.samplers import SCHEDULER_NAMES
from comfy_api.latest import io

from ..videograin.comfyui.validate import require_family
from ..videograin.core.ddim_inversion import CONVENTIONS
from ..videograin.core.inversion_record import PRECISIONS
from ..videograin.jobs import early_checks, invert
from .declared import declared
from .types import Category, Inversion


class DDIMInversion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainDDIMInversion",
            display_name="DDIM Inversion (Unsample)",
            category=Category.INVERSION,
            description=(
                "Walks a clip's latent back to the noise the model would draw it from, and keeps every level on the "
                "way. Start the edit from `noise` with added noise disabled."
            ),
            search_aliases=["unsample", "unsampler", "inversion", "DDIM inverse", "video to noise"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="A UNet with \u03b5- or v-prediction, or Wan 2.1 or 2.2. Full-Frame Attention, LoRA, ControlNet and IPAdapter act "
                    "here too; regions and blending do not, so the sampler's MODEL may be connected.",
                ),
                io.Conditioning.Input(
                    "conditioning", tooltip="Describes the source clip as it is; apply ControlNet here as in the edit."
                ),
                io.Latent.Input(
                    "latent",
                    tooltip="The clip, VAE-encoded: one latent per frame, of Wan one for four frames after the first.",
                ),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=1000,
                    tooltip="Noise levels to walk, as in the sampler (paper: 50). Not used when `sigmas` is connected.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=list(SCHEDULER_NAMES),
                    default="ddim_uniform",
                    tooltip="Spacing of the levels, as in the sampler. Not used when `sigmas` is connected, nor with Wan, which walks levels of its "
                    "own (30 `steps` are enough) whatever the sampler's are.",
                ),
                io.Int.Input(
                    "refinements",
                    default=2,
                    min=0,
                    max=20,
                    tooltip="Iterations per step towards the exact inverse: each costs one more model call a step and rebuilds the clip "
                    "better; frames that do not settle are named on the node. 0 is what the papers do, with 50 steps; with few, the edit is damaged.",
                ),
                io.Combo.Input(
                    "convention",
                    options=list(CONVENTIONS),
                    default=CONVENTIONS[1],
                    optional=True,
                    advanced=True,
                    tooltip="With `refinements` 0: where the noise prediction is taken, at the lower level (VideoGrain) or with the upper "
                    "level's time (FateZero, ReAtCo). Refinements go to the exact inverse from either.",
                ),
                io.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip="Levels from a scheduler node, descending. Replaces `steps` and `scheduler`.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="fp32",
                    optional=True,
                    advanced=True,
                    tooltip="In which `inversion` keeps the clip's levels in main memory, not the card's. fp16 takes half and is accurate to a "
                    "thousandth; models with zero terminal SNR keep fp32. `noise` is exact either way.",
                ),
                io.AnyType.Input(
                    "after",
                    optional=True,
                    tooltip="Waits for what is connected here, and does not use it: a mistake there is then told before the minutes of "
                    "the inversion. But a change there inverts anew. Bind Region Prompts comes first by itself in most graphs.",
                ),
            ],
            hidden=[io.Hidden.prompt],
            outputs=[
                io.Latent.Output(
                    display_name="noise",
                    tooltip="Where the edit starts: the sampler's `latent_image`, with added noise disabled. With Wan, a sampler that takes no "
                    "`sigmas` takes it up only if its MODEL has passed through one of our nodes.",
                ),
                Inversion.Output(
                    display_name="inversion",
                    tooltip="The clip at every noise level, for Latent Blend. Held in memory, or past 1 GiB in a file "
                    "in ComfyUI's temporary folder.",
                ),
                io.Sigmas.Output(display_name="sigmas", tooltip="The levels, descending, for SamplerCustomAdvanced."),
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, conditioning, latent, steps: int, scheduler: str, refinements: int,
                convention: str = CONVENTIONS[1], sigmas=None, precision: str = "fp32", after=None) -> io.NodeOutput:  # fmt: skip
        family = require_family(model, "DDIM Inversion")
        own = {} if sigmas is not None or family.path.fades else {"steps": steps, "scheduler": scheduler}
        sigmas = invert.walked_levels(model, scheduler, steps, sigmas)
        notes = early_checks.at_work(cls.hidden and cls.hidden.prompt, model, latent, sigmas, own)
        noise, inversion = invert.invert(
            model,
            conditioning,
            latent,
            sigmas,
            invert.Method(convention, refinements, precision),
            invert.Reporting(notes),
        )
        return io.NodeOutput(noise, inversion, sigmas)
