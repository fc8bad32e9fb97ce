"""Self- and Cross-Attention Fusion: presets, and words that become tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..comfyui.progress import warn
from ..comfyui.prompts import read, rows_of
from ..core.fatezero import Words
from ..core.prompt_alignment import REFINE, REPLACE, STRONG, Prompt, alignment, parse_emphasis, table
from ..features.fatezero_fusion import CrossFusion, SelfFusion, Where

SELF, CROSS = SelfFusion.node, CrossFusion.node
STYLE, ATTRIBUTE, SHAPE, CUSTOM = "style", "attribute", "shape", "custom"
# Ends of fusion. Style and shape: the paper's appendix. Attribute: most of the released configurations.
SELF_ENDS = {STYLE: 0.8, ATTRIBUTE: 0.5, SHAPE: 0.5}
CROSS_ENDS = {STYLE: 0.7, ATTRIBUTE: 0.5, SHAPE: 0.5}


def shares(preset: str, ends: dict[str, float], start: float, end: float, node: str) -> tuple[float, float]:
    """The share of the schedule in which a node fuses: a preset's, or for CUSTOM from start to end."""
    if preset != CUSTOM:
        return 0.0, ends[preset]
    if start > end:
        raise ValueError(
            f"{node}'s `start_percent` ({start:g}) lies after its `end_percent` ({end:g}), so nothing would be fused. "
            "Give a start before the end."
        )
    return start, end


def word_tokens(clip: Any, source_prompt: str, words: str, source: list) -> Tensor:
    """Which tokens of the source prompt the words are, (tokens,) bool."""
    named = [word.strip() for word in words.split(",") if word.strip()]
    if clip is None or not source_prompt.strip() or not named:
        raise ValueError(
            f"{SELF}'s `where` “{Where.OUTSIDE_WORDS}” needs `clip`, `source_prompt` and `words`. Give all three, "
            f"or choose “{Where.EVERYWHERE}” or “{Where.OUTSIDE_REGIONS}”."
        )
    prompt = read(clip, source_prompt)
    if any(text.shape[1] < prompt.length for text, _ in source):
        raise ValueError(
            f"{SELF}'s `source_prompt` is encoded in {prompt.length} tokens, but its `conditioning` has "
            f"{min(text.shape[1] for text, _ in source)}: they are not the same text. Connect the same words to both."
        )
    found = torch.zeros(prompt.length, dtype=torch.bool)
    for word in named:
        found[rows_of(clip, prompt, word, f"{SELF}'s `words`")] = True
    return found


def aligned_words(clip: Any, source_prompt: str, prompt: str, mode: str, emphasis: str) -> tuple[Words, str]:
    """What is done to the words of the prompt, and the table that shows it.

    Raises ValueError for prompts that cannot be aligned, and for an emphasis on a word the prompt lacks.
    """
    source, target = (read(clip, text) for text in (source_prompt, prompt))
    _check_alike(source, target, mode)
    taken, gains = alignment(source, target, mode), torch.ones(target.length)
    for word, factor in parse_emphasis(emphasis, f"{CROSS}'s `emphasis`", "`prompt`").items():
        gains[rows_of(clip, target, word, f"{CROSS}'s `emphasis`")] = factor
        if factor > STRONG:
            warn(f'{CROSS} emphasises "{word}" by {factor:g}; above {STRONG:g} colours tend to burn.')
    if not source_prompt.strip():
        warn(
            f"{CROSS}'s `source_prompt` is empty, so no word takes its attention from the source. Write the text there that "
            "`conditioning` encodes, the clip as it is."
        )
    return Words(taken, gains), table(source, target, taken)


def _check_alike(source: Prompt, target: Prompt, mode: str) -> None:
    if mode == REPLACE and len(source.words) != len(target.words):
        raise ValueError(
            f"{CROSS}'s `mode` “{REPLACE}” needs a word for each word, but `source_prompt` has "
            f'{len(source.words)} ("{source.text}") and `prompt` has {len(target.words)} ("{target.text}"). Write '
            f"them alike, or choose “{REFINE}”."
        )
