"""Prompts as ComfyUI encodes them: tokens with positions, region phrases bound to them."""

from __future__ import annotations

from typing import Any

import torch

from ..alignment import Prompt
from ..binding import Binding, Token, find_phrase
from ..overview import closest
from ..regions import Regions

KEY = "videograin_binding"
ERROR, APPEND = MISSING = ("error", "append it")

Tokens = dict[str, list[list[tuple]]]  # text encoder -> chunks of a prompt -> (token, weight)


def binding_of(cond: dict[str, Any]) -> Binding | None:
    return cond.get(KEY)


def words(tokens: Tokens) -> list[Token]:
    """The tokens that stand for words, without start, end and padding; the first text encoder speaks for all."""
    found, offset = [], 0
    for chunk in next(iter(tokens.values())):
        found += [Token(t, weight, offset + i) for i, (t, weight, word) in enumerate(chunk) if word]
        offset += len(chunk)
    return found


def read(clip: Any, text: str) -> Prompt:
    """A prompt's words as the text encoder splits them."""
    tokens = clip.tokenize(text, return_word_ids=True)
    runs: list[list[Token]] = []
    spelling, complete = [], True
    for token in words(tokens):
        if complete:
            runs.append([])
            spelling.append("")
        written = _spelled(clip, token)
        complete = written.endswith("</w>")
        runs[-1].append(token)
        spelling[-1] += written.removesuffix("</w>")
    length = sum(len(chunk) for chunk in next(iter(tokens.values())))
    return Prompt(text, tuple(map(tuple, runs)), tuple(spelling), length)


def _spelled(clip: Any, token: Token) -> str:
    if isinstance(token.id, torch.Tensor):
        return "(embedding)</w>"
    return clip.tokenizer.untokenize([(token.id, token.weight)])[0][1]


def last_row(clip: Any, text: str) -> torch.Tensor:
    """(d,): of a prompt's encoding, the row in which all its words (of the last 75, if there are more) have a part."""
    return clip.encode_from_tokens(clip.tokenize(text))[0, -1].float().cpu()


def is_of(row: torch.Tensor, encoding: torch.Tensor) -> bool:
    """Whether a CONDITIONING (1, L, d) is of the text with this last row; True where that cannot be told."""
    found = encoding[0, -1].float().cpu()
    return found.shape != row.shape or bool((found - row).norm() <= 0.01 * row.norm())


def rows_of(clip: Any, prompt: Prompt, phrase: str, whose: str) -> list[int]:
    """The rows of a phrase wherever the prompt has it. Raises ValueError where it does not; whose: the input's name."""
    wanted, found = words(clip.tokenize(phrase, return_word_ids=True)), set()
    while wanted and (run := find_phrase(prompt.tokens, wanted, found)):
        found.update(prompt.tokens[i].position for i in run)
    if not found:
        near = closest(phrase, prompt.text)
        raise ValueError(
            f'{whose} names "{phrase}", which does not occur in the prompt "{prompt.text}". '
            + (f'The closest there is "{near}". ' if near else "")
            + "Write it as the prompt does, without weights."
        )
    return sorted(found)


def bind(
    clip: Any, prompt: str, regions: Regions, missing: str = ERROR, replace: bool = True
) -> tuple[list[list[Any]], str]:
    """Encodes a prompt and ties each region's phrase to its tokens.

    Args:
        clip: ComfyUI's CLIP. prompt: the global prompt. regions: phrases are looked up in order, each at its first
            occurrence that no earlier region took.
        missing: what happens with a phrase the prompt lacks, one of MISSING.
        replace: overwrite the phrase's rows with those of the phrase encoded alone, as the released code does.
    Returns (CONDITIONING with a Binding in every entry, the prompt as it was encoded).
    Raises ValueError for a phrase that is not in the prompt.
    """
    prompt = _with_missing(clip, prompt, regions) if missing == APPEND else prompt
    tokens = clip.tokenize(prompt, return_word_ids=True)
    places = _places(clip, prompt, regions, missing)
    length = sum(len(chunk) for chunk in next(iter(tokens.values())))
    table = torch.zeros(len(regions), length, dtype=torch.bool)
    conditioning = clip.encode_from_tokens_scheduled(_plain(tokens))
    for row, (region, place) in enumerate(zip(regions, places, strict=True)):
        if not place:
            continue
        positions = [token.position for token in place]
        table[row, positions] = True
        if replace:
            conditioning = _replaced(clip, conditioning, region.phrase, place)
    binding = Binding(regions, table)
    return [[text, {**extra, KEY: binding}] for text, extra in conditioning], prompt


def _places(clip: Any, prompt: str, regions: Regions, missing: str = ERROR) -> list[list[Token]]:
    """Where each region's phrase stands; an empty list for a region without one."""
    text = words(clip.tokenize(prompt, return_word_ids=True))
    taken: set[int] = set()
    places = []
    for number, region in enumerate(regions, 1):
        phrase = words(clip.tokenize(region.phrase, return_word_ids=True)) if region.phrase.strip() else []
        if region.phrase.strip() and not phrase:
            raise ValueError(
                f'Region {number}\'s phrase "{region.phrase}" has no words the text encoder knows (an embedding that is '
                "not there?). Change Region Prompt's `phrase`."
            )
        run = find_phrase(text, phrase, taken) if phrase else []
        if run is None:
            occurs = find_phrase(text, phrase, set()) is not None
            where = "occurs only where an earlier region has taken words of it" if occurs else "does not occur"
            near = None if occurs else closest(region.phrase, prompt)
            raise ValueError(
                f'Region {number} is bound to the phrase "{region.phrase}", which {where} in the prompt "{prompt}". '
                + (f'The closest there is "{near}". ' if near else "")
                + "Write it there once for each region, change Region Prompt's `phrase`, "
                + (
                    "or leave out its unusual signs: behind other words the text encoder splits it differently."
                    if missing == APPEND
                    else f'or set Bind Region Prompts\' `missing_phrase` to "{APPEND}".'
                )
            )
        place = [text[i] for i in run]
        taken.update(token.position for token in place)
        places.append(place)
    return places


def _with_missing(clip: Any, prompt: str, regions: Regions) -> str:
    """The prompt with the phrases it lacks at its end."""
    bound: Regions = ()
    for region in regions:
        try:
            _places(clip, prompt, (*bound, region))
        except ValueError:
            before = prompt.rstrip()
            comma = "" if not before else ", " if before[-1].isalnum() else " , "  # "!," would be one token
            prompt = f"{before}{comma}{region.phrase}"
        bound = (*bound, region)
    return prompt


def _replaced(clip: Any, conditioning: list, phrase: str, place: list[Token]) -> list:
    """The conditioning with a phrase's rows taken from the phrase encoded alone, at the weights of the prompt."""
    tokens = clip.tokenize(phrase, return_word_ids=True)
    alone = words(tokens)
    weights = {own.position: there.weight for own, there in zip(alone, place, strict=True)}
    encoded = clip.encode_from_tokens_scheduled(_plain(tokens, weights), show_pbar=False)
    source, target = [token.position for token in alone], [token.position for token in place]
    result = []
    for (text, extra), (rows, _) in zip(conditioning, encoded, strict=True):
        text = text.clone()
        text[:, target] = rows[:, source].to(text)
        result.append([text, extra])
    return result


def _plain(tokens: Tokens, weights: dict[int, float] | None = None) -> Tokens:
    """Tokens as the text encoders take them, without word numbers; `weights` replaces those at some positions."""
    plain: Tokens = {}
    for name, chunks in tokens.items():
        plain[name], offset = [], 0
        for chunk in chunks:
            plain[name].append([(t, (weights or {}).get(offset + i, weight)) for i, (t, weight, _) in enumerate(chunk)])
            offset += len(chunk)
    return plain
