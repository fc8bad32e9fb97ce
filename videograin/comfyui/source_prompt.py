"""What the words of the source must say: the clip as it is, with a word for everything that the regions replace."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from ..core.phrase_search import SMALL_WORDS, places
from ..core.spelling import read
from .prompt_graph import Link, PromptGraph

ENCODE, BIND, REGION, CONTROL = (
    "CLIPTextEncode", "VideoGrainBindRegionPrompts", "VideoGrainRegionPrompt", "ControlNetApplyAdvanced"
)  # fmt: skip
INVERT_CLIP = "VideoGrainInvertClip"  # has its source prompt itself
FIELDS = {ENCODE: "text", INVERT_CLIP: "source_prompt"}  # where a node has its text, if not in `prompt`
WORD = re.compile(r"\w+")


def unnamed(source: str, prompt: str, phrases: Sequence[str]) -> list[str]:
    """The phrases of an edit's prompt that come in where the source prompt says nothing that they could replace.

    Both texts are laid side by side word by word: “bear” replaces “man” in “a man in the snow”, and nothing in “in the
    snow”. Words that the source has elsewhere, or others that the edit drops, may be what is meant: nothing is said then.
    Articles and the like do not count. Phrases that the prompt lacks are left out.
    """
    text = read(prompt)
    old = WORD.findall(read(source).letters)
    new = list(WORD.finditer(text.letters))
    named = set()  # numbers of the prompt's words that the source has, or has others for
    for kind, first, last, begin, end in SequenceMatcher(
        None, old, [word[0] for word in new], autojunk=False
    ).get_opcodes():
        dropped = set(old[first:last]) - SMALL_WORDS
        if kind == "delete" and dropped:
            return []
        if kind == "replace" and dropped:
            named |= set(range(begin, end))
    named |= {number for number, word in enumerate(new) if word[0] in old}
    found = []
    for phrase, span in zip(phrases, places(text, phrases), strict=True):
        own = [number for number, word in enumerate(new) if span and span[0] <= word.start() and word.end() <= span[1]]
        telling = [number for number in own if new[number][0] not in SMALL_WORDS]
        if telling and named.isdisjoint(telling):
            found.append(phrase)
    return found


def remarks(graph: PromptGraph, encoder: str | None, positive: Link | None) -> list[str]:
    """What is to be said of a source prompt before a clip is inverted under it.

    encoder: the node that has it. positive: of the sampler that takes it up. Only texts in widgets are read.
    """
    source = _text(graph, encoder, FIELDS.get(graph.kind(encoder), "prompt") if encoder else "")
    if source is None:
        return []
    where = f"The source prompt {graph.name(encoder)}"
    if not source.strip():
        return [
            f"{where} is empty. Describe the clip there as it is: words steer the inversion as they steer the edit."
        ]
    edit = encoder_of(graph, positive)
    prompt = _text(graph, edit, "prompt") if edit and graph.kind(edit) == BIND else None
    phrases = _phrases(graph, edit) if prompt is not None else []
    if phrases and read(source).letters == read(prompt).letters:
        return [f"{where} says the same as the edit's prompt. Describe the clip there as it is, before the edit."]
    return [
        f"{where}, “{source}”, has no words for what “{phrase}” is to replace. Say there what the clip shows in that region, in the "
        "order of the edit's prompt."
        for phrase in unnamed(source, prompt, phrases)
    ] if phrases else []  # fmt: skip


def source_encoder(graph: PromptGraph, node: str) -> str | None:
    """The node that has the source prompt of one that inverts: itself, or the one that encodes its `conditioning`."""
    return node if graph.kind(node) == INVERT_CLIP else encoder_of(graph, graph.link(node, "conditioning"))


def encoder_of(graph: PromptGraph, link: Link | None) -> str | None:
    """The node that encodes a CONDITIONING's text, through nodes that only add to it; None where that is not known."""
    seen = set()
    while link is not None and link not in seen:
        seen.add(link)
        if graph.kind(link.node) in (ENCODE, BIND):
            return link.node
        controlled = graph.kind(link.node) == CONTROL
        link = graph.link(link.node, ("positive", "negative")[link.output] if controlled else "conditioning")
    return None


def _text(graph: PromptGraph, node: str | None, name: str) -> str | None:
    """A text in a node's widget, or in that of a primitive node on its input."""
    if node is None:
        return None
    link = graph.link(node, name)
    found = graph.value(node, name) if link is None else graph.value(link.node, "value")
    return found if isinstance(found, str) else None


def _phrases(graph: PromptGraph, bind: str) -> list[str]:
    """The phrases of the Region Prompts on a Bind Region Prompts, the first of the chain first; none where one is not known."""
    chain = graph.chain(graph.link(bind, "regions"), "regions")[::-1]
    phrases = [_text(graph, node, "phrase") if graph.kind(node) == REGION else None for node in chain]
    return [] if None in phrases else [phrase.strip() for phrase in phrases]
