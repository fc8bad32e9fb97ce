"""Full-Frame Attention and ST-Layout Attention: the frames and regions that attention sees."""

from comfy_api.latest import io

from ..videograin.comfyui import wrappers
from ..videograin.core import st_layout
from ..videograin.core.cross_frame import ALL, KEY_SETS, LEVELS, KeySets
from ..videograin.core.regions import TokenRule
from ..videograin.core.st_layout import Settings
from ..videograin.features.full_frame import FullFrame
from ..videograin.features.st_layout import STLayout
from .declared import declared
from .types import Category

SAME = "as above"
MODES = {"default": st_layout.DEFAULT, "paper": st_layout.PAPER, "reference": st_layout.REFERENCE}
FROM_MODE = "from mode"


class FullFrameAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainFullFrameAttention",
            display_name="Full-Frame Attention",
            category=Category.ATTENTION,
            description=(
                "Lets every frame of a clip see other frames in self-attention, so that things keep their looks over "
                "time. Put it before both DDIM Inversion and the sampler. Time grows with the frames seen."
            ),
            search_aliases=["cross-frame attention", "video attention", "temporal consistency", "inflate"],
            inputs=[
                io.Model.Input("model", tooltip="A Stable Diffusion UNet; the batch of the latent is read as frames."),
                io.Combo.Input(
                    "key_set",
                    options=list(KEY_SETS),
                    default=ALL,
                    tooltip="The frames each frame sees. “all frames” is the paper's; “first + previous” costs twice a "
                    "plain frame whatever the length; “middle” costs as much as a plain frame; “own” changes nothing.",
                ),
                *(
                    io.Combo.Input(
                        f"level_{level}",
                        options=[SAME, *KEY_SETS],
                        default=SAME,
                        optional=True,
                        advanced=True,
                        tooltip=f"A different key set where the attention grid is 1/{level} of the latent's.",
                    )
                    for level in LEVELS
                ),
                io.Boolean.Input(
                    "clip_norm",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip="Group normalisation takes its statistics over all frames together, as in the released code; "
                    "off, each frame has its own. ControlNets keep their own either way.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The MODEL with this key set; the input is unchanged.")
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, key_set: str, clip_norm: bool = False, **levels: str) -> io.NodeOutput:
        chosen = {level: levels.get(f"level_{level}", SAME) for level in LEVELS}
        exceptions = tuple((level, kind) for level, kind in chosen.items() if kind != SAME)
        return io.NodeOutput(wrappers.add(model, FullFrame(KeySets(key_set, exceptions, clip_norm))))


class STLayoutAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        def choice(name: str, options: tuple[str, ...], tooltip: str) -> io.Combo.Input:
            return io.Combo.Input(
                name, options=[FROM_MODE, *options], default=FROM_MODE, optional=True, advanced=True, tooltip=tooltip
            )

        return io.Schema(
            node_id="VideoGrainSTLayoutAttention",
            display_name="ST-Layout Attention (Regions)",
            category=Category.ATTENTION,
            description=(
                "VideoGrain's modulation: words act in their own regions (cross-attention), and a region's pixels "
                "attend to their own region across all frames (self-attention). The regions come with the CONDITIONING "
                "of Bind Region Prompts. Where no Full-Frame Attention stands before it, all frames are seen."
            ),
            search_aliases=["attention couple", "regional prompt", "region attention", "VideoGrain", "dense diffusion"],
            inputs=[
                io.Model.Input("model", tooltip="A Stable Diffusion UNet, or Wan 2.1 or 2.2."),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default="default",
                    tooltip="“paper” follows the paper's equations; “reference” the released code's choices (self-"
                    "attention on the negative half, nothing at full resolution, another size term); “default” is what "
                    "edited best here (the paper's, but large regions are held as firmly). Strengths and schedule are the numbers below.",
                ),
                io.Float.Input(
                    "self_strength",
                    default=st_layout.DEFAULT.self_strength,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How strongly self-attention is kept inside regions at the first step, 0 to 1 (paper: 0.3). "
                    "0 leaves self-attention alone.",
                ),
                io.Float.Input(
                    "cross_strength",
                    default=st_layout.DEFAULT.cross_strength,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How strongly words are bound to their regions at the first step, 0 to 1 (paper: 1). 0 leaves "
                    "cross-attention alone.",
                ),
                io.Float.Input(
                    "end_percent",
                    default=st_layout.DEFAULT.end_percent,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Share of the noise schedule after which nothing is modulated, 0 to 1 (paper: 0.3, that is 15 "
                    "of 50 steps).",
                ),
                io.Float.Input(
                    "power",
                    default=st_layout.DEFAULT.power,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    optional=True,
                    tooltip="How fast the strength falls with the noise, as \u03c4^power: 0 keeps it constant, 0.25 holds it "
                    "for long, 5 (paper) lets go within a few steps.",
                ),
                choice(
                    "self_role",
                    st_layout.Role.words(),
                    "Which prompt's half of guidance has its self-attention modulated.",
                ),
                choice(
                    "cross_role",
                    st_layout.Role.words(),
                    "Which half has its cross-attention modulated, if it is bound.",
                ),
                choice("levels", st_layout.Levels.words(), "Attention levels that are modulated."),
                choice(
                    "self_size",
                    st_layout.SelfSize.words(),
                    "What weakens large regions in self-attention: their area (paper), their area over the number of "
                    "frames (reference), or nothing (default).",
                ),
                choice("cross_size", st_layout.CrossSize.words(), "What weakens large regions in cross-attention."),
                choice(
                    "background",
                    st_layout.Background.words(),
                    "Pixels in no region: a region of their own (paper), kept from everything (reference), or untouched.",
                ),
                choice(
                    "token_rule",
                    TokenRule.words(),
                    "How masks become tokens: by covered area, or by the nearest pixel (reference; small regions can "
                    "vanish).",
                ),
                io.Boolean.Input(
                    "fast",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip="Estimates the reach of each pixel's scores from an eighth of the pixels instead of all: a "
                    "third less time for this attention on a CPU (on a GPU not measured), a little more memory, and regions "
                    "hold a little more loosely. Wan takes it by itself above 8192 tokens, a second of 832×480.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The MODEL with modulation; the input is unchanged.")
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, mode: str, self_strength: float, cross_strength: float, end_percent: float,
                power: float = st_layout.DEFAULT.power,
                fast: bool = False, **choices: str) -> io.NodeOutput:  # fmt: skip
        chosen = {name: value for name, value in choices.items() if value != FROM_MODE}
        settings = {
            **vars(MODES[mode]),
            "self_strength": self_strength,
            "cross_strength": cross_strength,
            "end_percent": end_percent,
            "power": power,
            "fast": fast,
            **chosen,
        }
        return io.NodeOutput(wrappers.add(model, STLayout(Settings(**settings))))
