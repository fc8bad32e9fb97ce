"""Self- and Cross-Attention Fusion (FateZero): the source's attention maps with the edit's values."""

from comfy_api.latest import io

from ..videograin.comfyui import wrappers
from ..videograin.comfyui.prompts import last_row, require_clip, rows_to_keys
from ..videograin.core import prompt_alignment
from ..videograin.core.inversion_record import EXACT, RELEASED
from ..videograin.core.st_layout import Levels
from ..videograin.features.fatezero_fusion import CrossFusion, SelfFusion, Where
from ..videograin.jobs.fusion import CROSS_ENDS, CUSTOM, SELF_ENDS, SHAPE, STYLE, aligned_words, shares, word_tokens
from .declared import declared
from .types import Category, Inversion


def source_inputs(ends: dict[str, float]) -> list:
    style, other = ends[STYLE], ends[SHAPE]
    return [
        io.Model.Input("model", tooltip="The MODEL for the sampler, from the one that DDIM Inversion has."),
        Inversion.Input("inversion", tooltip="From DDIM Inversion; the sampler must start from its noise."),
        io.Conditioning.Input(
            "conditioning", tooltip="The source prompt, as in DDIM Inversion, its ControlNet included."
        ),
        io.Combo.Input(
            "preset",
            options=[*ends, CUSTOM],
            default=STYLE,
            tooltip="The share of the noise schedule, from its start, in which it acts: “style” "
            f"{style:g}, “attribute” and “shape” {other:g}; “custom” takes `start_percent` and `end_percent`.",
        ),
    ]


def schedule_inputs() -> list:
    def share(name: str, default: float, what: str) -> io.Float.Input:
        return io.Float.Input(
            name, default=default, min=0.0, max=1.0, step=0.01, optional=True, advanced=True,
            tooltip=f"Only with the preset “custom”: share of the noise schedule at which fusion {what}, 0 to 1.",
        )  # fmt: skip

    return [
        share("start_percent", 0.0, "begins"),
        share("end_percent", 0.5, "ends"),
        io.Combo.Input(
            "levels",
            options=list(Levels.words()),
            default=Levels.BELOW_FULL.value,
            optional=True,
            advanced=True,
            tooltip="Attention levels that are fused; the paper's code leaves the latent's own grid alone. “all” holds the "
            "clip closer to its source and costs more than twice the memory.",
        ),
        io.Combo.Input(
            "source_pair",
            options=[EXACT, RELEASED],
            default=EXACT,
            optional=True,
            advanced=True,
            tooltip="What the network is shown of the source: “exact”, its latent at the edit's noise level; “as "
            "released”, the latent one level lower at that level's time, as in FateZero's inversion.",
        ),
    ]


class SelfAttentionFusion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainSelfAttentionFusion",
            display_name="Self-Attention Fusion",
            category=Category.RESEARCH,
            description=(
                "Keeps the source's structure and motion (FateZero): self-attention uses the source's own map, with the "
                "values of the edit. The map is computed anew at each step, never stored. Costs one more model call in "
                "each of these steps."
            ),
            search_aliases=["FateZero", "attention fusion", "attention blending", "prompt-to-prompt", "keep structure"],
            inputs=[
                *source_inputs(SELF_ENDS),
                io.Combo.Input(
                    "where",
                    options=list(Where.words()),
                    default=Where.EVERYWHERE.value,
                    tooltip="Which pixels follow the source: “everywhere”, for style; “outside regions” of Bind Region "
                    "Prompts, together with ST-Layout Attention; “outside words”, all but where the source's `words` "
                    "are seen by cross-attention, for shapes without a mask.",
                ),
                io.Clip.Input("clip", optional=True, tooltip="The checkpoint's text encoder, for “outside words”."),
                io.String.Input(
                    "source_prompt",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="For “outside words”: the text that `conditioning` encodes.",
                ),
                io.String.Input(
                    "words",
                    default="",
                    optional=True,
                    tooltip="For “outside words”: what is to change, by its words in the source prompt, several with "
                    "commas: “silver, jeep”.",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="For “outside words”: a pixel is the edit's where its attention to the words exceeds this "
                    "share of the frame's maximum, 0 to 1 (paper: 0.3). Lower frees more.",
                ),
                *schedule_inputs(),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The MODEL with self fusion; the input is unchanged.")
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, inversion, conditioning, preset: str = STYLE, where: str = Where.EVERYWHERE, clip=None,
                source_prompt: str = "", words: str = "", threshold: float = 0.3, start_percent: float = 0.0,
                end_percent: float = 0.5, levels: str = Levels.BELOW_FULL, source_pair: str = EXACT) -> io.NodeOutput:  # fmt: skip
        start, end = shares(preset, SELF_ENDS, start_percent, end_percent, SelfFusion.node)
        named = word_tokens(clip, source_prompt, words, conditioning) if where == Where.OUTSIDE_WORDS else None
        if named is not None:
            rows_to_keys(clip, model, SelfFusion.node)
        record = SelfFusion(
            inversion=inversion,
            conditioning=conditioning,
            where=where,
            start_percent=start,
            end_percent=end,
            words=named,
            threshold=threshold,
            levels=levels,
            pairing=source_pair,
        )
        return io.NodeOutput(wrappers.add(model, record))


class CrossAttentionFusion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainCrossAttentionFusion",
            display_name="Cross-Attention Fusion",
            category=Category.RESEARCH,
            description=(
                "Keeps what the words mean for the picture (FateZero): words that both prompts have attend where they "
                "did in the source, new words where they like, and single words can be emphasised. Costs one more model "
                "call in each of these steps, shared with Self-Attention Fusion."
            ),
            search_aliases=["FateZero", "attention fusion", "prompt-to-prompt", "attention reweighting", "equalizer"],
            inputs=[
                *source_inputs(CROSS_ENDS),
                io.Clip.Input("clip", tooltip="The text encoder of the checkpoint."),
                io.String.Input("source_prompt", multiline=True, tooltip="The text that `conditioning` encodes."),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    tooltip="The text of the sampler's positive prompt, for instance from Bind Region Prompts.",
                ),
                io.Combo.Input(
                    "mode",
                    options=list(prompt_alignment.MODES),
                    default=prompt_alignment.REFINE,
                    tooltip="“refine”: words in both prompts are aligned, whatever stands between them. “replace”: word "
                    "for word, new words appear where the old ones were; both prompts need as many words.",
                ),
                io.String.Input(
                    "emphasis",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="One word of the prompt per line, with a factor of 0 or more: “watercolor: 10”. 1 changes "
                    "nothing, 2 to 10 are usual, more burns.",
                ),
                io.Combo.Input(
                    "where",
                    options=[Where.OUTSIDE_REGIONS.value, Where.EVERYWHERE.value],
                    default=Where.OUTSIDE_REGIONS.value,
                    optional=True,
                    tooltip="Which pixels follow the source: those “outside regions” of Bind Region Prompts (all, if "
                    "there are none), or “everywhere”. Emphasis acts everywhere.",
                ),
                *schedule_inputs(),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The MODEL with cross fusion; the input is unchanged."),
                io.String.Output(
                    display_name="alignment",
                    tooltip="Which word takes its attention from which, as a Markdown table, for Preview as Text.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, inversion, conditioning, preset: str, clip, source_prompt: str, prompt: str,
                mode: str = prompt_alignment.REFINE, emphasis: str = "", where: str = Where.OUTSIDE_REGIONS,
                start_percent: float = 0.0, end_percent: float = 0.5, levels: str = Levels.BELOW_FULL,
                source_pair: str = EXACT) -> io.NodeOutput:  # fmt: skip
        start, end = shares(preset, CROSS_ENDS, start_percent, end_percent, CrossFusion.node)
        require_clip(clip, "Cross-Attention Fusion's `clip`")
        words, table = aligned_words(clip, source_prompt, prompt, mode, emphasis)
        rows_to_keys(clip, model, CrossFusion.node)
        record = CrossFusion(
            inversion=inversion,
            conditioning=conditioning,
            words=words,
            ends=(last_row(clip, source_prompt), last_row(clip, prompt)),
            mode=mode,
            where=where,
            start_percent=start,
            end_percent=end,
            levels=levels,
            pairing=source_pair,
        )
        return io.NodeOutput(wrappers.add(model, record), table)
