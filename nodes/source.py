"""Inject Source Features: the source's own features in the edit (PnP)."""

from comfy_api.latest import io

from ..videograin.comfyui import wrappers
from ..videograin.core.st_layout import Role
from ..videograin.features.pnp_injection import Injection
from .declared import declared
from .types import Category, Inversion

SAME, NEXT = STEPS = ("same step", "next step")
PUBLISHED = 0.2  # 10 of 50 steps, the most frequent setting of VideoGrain's published configurations that inject


class InjectSourceFeatures(io.ComfyNode):
    """Plug-and-Play injection. One source serves both halves of guidance, as in the original PnP; in VideoGrain's
    released code each half takes its own half of the inversion's batch, the negative half the empty prompt's."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        def share(name: str, what: str) -> io.Float.Input:
            return io.Float.Input(
                name,
                default=PUBLISHED,
                min=0.0,
                max=1.0,
                step=0.01,
                tooltip=f"Share of the noise schedule, from its start, in which {what} are the source's, 0 to 1. The "
                "published edits use 0.1 to 0.8, mostly 0.2; more than 0.2 hinders edits of several regions.",
            )

        return io.Schema(
            node_id="VideoGrainInjectSourceFeatures",
            display_name="Inject Source Features",
            category=Category.RESEARCH,
            description=(
                "Keeps the source's layout and motion in the edit (Plug-and-Play): in the first steps the decoder is "
                "given features of the source clip, computed anew at the same step. Costs one more model call in each "
                "of these steps."
            ),
            search_aliases=["PnP", "plug and play", "feature injection", "keep structure", "source features"],
            inputs=[
                io.Model.Input("model", tooltip="The MODEL for the sampler, from the one that DDIM Inversion has."),
                Inversion.Input("inversion", tooltip="From DDIM Inversion; the sampler must start from its noise."),
                io.Conditioning.Input(
                    "conditioning", tooltip="The source prompt, as in DDIM Inversion, its ControlNet included."
                ),
                share("features", "ResNet outputs"),
                share("attention", "queries and keys of self-attention"),
                io.Combo.Input(
                    "role",
                    options=list(Role.words()),
                    default="both",
                    optional=True,
                    advanced=True,
                    tooltip="Which prompt's half of guidance is given the features; the papers' code: “both”.",
                ),
                io.Combo.Input(
                    "source_step",
                    options=list(STEPS),
                    default=SAME,
                    optional=True,
                    advanced=True,
                    tooltip="Which step of the source the features come from: the “same step”, or the “next step”, one "
                    "noise level lower, as in the released code.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The MODEL with injection; the input is unchanged.")
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, inversion, conditioning, features: float, attention: float, role: str = "both",
                source_step: str = SAME) -> io.NodeOutput:  # fmt: skip
        record = Injection(inversion, conditioning, features, attention, role, shifted=source_step == NEXT)
        return io.NodeOutput(wrappers.add(model, record))
