"""Prompts as ComfyUI encodes them: tokens with positions, region phrases bound to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from comfy.model_patcher import ModelPatcher

from ..core.phrase_search import closest, hint, occurrences, places
from ..core.phrase_tokens import KEY, Binding, Token
from ..core.prompt_alignment import Prompt
from ..core.regions import Regions
from ..core.spelling import EMBEDDING, Span, Text, piece_bytes, token_spans
from ..core.spelling import read as letters_of

ERROR, APPEND = MISSING = ("error", "append it")

Tokens = dict[str, list[list[tuple]]]  # text encoder -> chunks of a prompt -> (token, weight)


def require_clip(clip: Any, whose: str) -> None:
    """Raises ValueError for a checkpoint without a text encoder. whose: for the message, "Some Node's `clip`"."""
    if clip is None:
        raise ValueError(
            f"{whose} is empty: the loader found no text encoder in its checkpoint. Load one with Load CLIP."
        )


def words(chunks: list[list[tuple]]) -> list[Token]:
    """The tokens that stand for words, without start, end and padding."""
    found, offset = [], 0
    for chunk in chunks:
        found += [Token(t, weight, offset + i) for i, (t, weight, word) in enumerate(chunk) if word]
        offset += len(chunk)
    return found


class Spelled(NamedTuple):
    """A text beside its tokens. spans: the letters that each token writes, None where it writes none.

    begins: of each token, whether it begins a word for the tokenizer. length: tokens in all, start, end and padding too.
    """

    text: Text
    tokens: list[Token]
    spans: list[Span | None]
    begins: list[bool]
    length: int

    def within(self, span: Span) -> list[int]:
        """Numbers of the tokens that write some letters, or a part of them."""
        start, end = span
        return [number for number, own in enumerate(self.spans) if own and own[0] < end and start < own[1]]

    def spelling(self, numbers: list[int]) -> str:
        written = [span for number in numbers if (span := self.spans[number])]
        return self.text.letters[written[0][0] : written[-1][1]] if written else "?"


def spell(clip: Any, text: str) -> Spelled:
    """A prompt as the text encoder splits it; of several side by side (SDXL) the first speaks for all.

    Raises ValueError where a textual inversion makes the encoding's rows others than the tokens.
    """
    tokens = clip.tokenize(text, return_word_ids=True)
    _require_rows(clip, text, tokens)
    chunks = next(iter(tokens.values()))
    found, letters = words(chunks), letters_of(text)
    owners = [word for chunk in chunks for _, _, word in chunk if word]
    names = [_name(clip, token) for token in found]
    pieces: list[bytes | None] = list(piece_bytes(names))
    begins = [_begins(names, number) for number in range(len(names))]
    for number, token in enumerate(found):
        if isinstance(token.id, torch.Tensor):
            begins[number] = number == 0 or owners[number] != owners[number - 1]
            pieces[number] = EMBEDDING.encode() if begins[number] else None
    return Spelled(letters, found, token_spans(letters, pieces), begins, sum(map(len, chunks)))


def _require_rows(clip: Any, text: str, tokens: Tokens) -> None:
    for name, chunks in tokens.items():
        part = getattr(clip.tokenizer, f"clip_{name}", None) or getattr(clip.tokenizer, name, None)
        width = getattr(part, "embedding_size", None)
        learned = {token.id.shape[-1] for token in words(chunks) if isinstance(token.id, torch.Tensor)}
        if width and learned - {width}:
            raise ValueError(
                f'The prompt "{text}" names a textual inversion of {min(learned - {width})} numbers a token, but the text '
                f"encoder reads {width}: ComfyUI leaves it out, and the words behind it move. Take it out of the prompt, or "
                "connect the CLIP that it was made for."
            )
    first, *others = ([word for chunk in chunks for *_, word in chunk] for chunks in tokens.values())
    if any(len(first) == len(other) and first != other for other in others):  # side by side, not one after the other
        raise ValueError(
            f'The text encoders split the prompt "{text}" differently: a textual inversion has more tokens for one of them '
            "than for another, and what stands behind it has no common row. Take it out of the prompt."
        )


def _name(clip: Any, token: Token) -> str:
    """A token's name in the vocabulary."""
    if isinstance(token.id, torch.Tensor):
        return "</w>"
    return clip.tokenizer.untokenize([(token.id, token.weight)])[0][1]


def _begins(names: list[str], number: int) -> bool:
    """CLIP marks where a word ends, other tokenizers where it begins."""
    return number == 0 or names[number][:1] in ("\u2581", "\u0120") or names[number - 1].endswith("</w>")


def read(clip: Any, text: str) -> Prompt:
    """A prompt's words as the text encoder splits them."""
    spelled = spell(clip, text)
    runs: list[list[int]] = []
    for number, begins in enumerate(spelled.begins):
        if begins:
            runs.append([])
        runs[-1].append(number)
    words = tuple(tuple(spelled.tokens[number] for number in run) for run in runs)
    return Prompt(text, words, tuple(spelled.spelling(run) for run in runs), spelled.length)


def last_row(clip: Any, text: str) -> torch.Tensor:
    """(d,): of a prompt's encoding, the row in which all its words (of the last 75, if there are more) have a part."""
    return clip.encode_from_tokens(clip.tokenize(text))[0, -1].float().cpu()


def rows_of(clip: Any, prompt: Prompt, phrase: str, whose: str) -> list[int]:
    """The tokens of a phrase wherever the prompt has it. Raises ValueError where it does not; whose: the input's name."""
    spelled = spell(clip, prompt.text)
    numbers = {number for span in occurrences(spelled.text, phrase) for number in spelled.within(span)}
    if not numbers:
        raise ValueError(
            f'{whose} names "{phrase}", which does not occur in the prompt "{prompt.text}". '
            + near(spelled.text, phrase)
            + "Write it as the prompt does, without weights."
        )
    return sorted(spelled.tokens[number].position for number in numbers)


def near(text: Text, phrase: str) -> str:
    """What is amiss with a phrase that is not there, or what is most like it, in a sentence; or nothing."""
    found = closest(phrase, text.written)
    return hint(text, phrase) or (f'The closest there is "{found}". ' if found else "")


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
    spelled = spell(clip, prompt)
    spans = _places(clip, spelled, regions, missing)
    table = torch.zeros(len(regions), spelled.length, dtype=torch.bool)
    conditioning = clip.encode_from_tokens_scheduled(_plain(clip.tokenize(prompt, return_word_ids=True)))
    rows = rows_a_token((text for text, _ in conditioning), spelled.length)
    taken: set[int] = set()
    for number, span in enumerate(spans):
        if span is None:
            continue
        place = [
            token for token in spelled.within(span) if token not in taken
        ]  # “!?” is one token of two phrases' signs
        taken.update(place)
        table[number, [spelled.tokens[token].position for token in place]] = True
        if replace:
            conditioning = _replaced(clip, conditioning, spelled, span, place, rows)
    binding = Binding(regions, table, rows)
    return [[text, {**extra, KEY: binding}] for text, extra in conditioning], prompt


def rows_a_token(encodings: Iterable[torch.Tensor], tokens: int) -> int:
    """How many rows of an encoding are one token's: 1, or 2 with CLIP NegPip. Raises ValueError where that cannot be."""
    found = {text.shape[1] / tokens for text in encodings}
    if len(found) != 1 or not min(found).is_integer():
        raise ValueError(
            f"The text encoder gives {' or '.join(f'{share * tokens:.0f}' for share in sorted(found))} rows for {tokens} tokens, "
            "so that no word can be told from its rows: another node has changed the CLIP. Connect the CLIP from before it."
        )
    return int(min(found))


def rows_to_keys(clip: Any, model: ModelPatcher, node: str) -> int:
    """How many rows of the encoding each token has, for a node that counts the model's keys.

    Raises ValueError where the model would take every row for a token: CLIP NegPip changes both.
    """
    tokens = clip.tokenize("")
    rows = rows_a_token([clip.encode_from_tokens(tokens)], sum(map(len, next(iter(tokens.values())))))
    patches = model.model_options.get("transformer_options", {}).get("patches", {})
    if rows > 1 and not patches.get("attn2_patch"):
        raise ValueError(
            f"{node}'s `clip` gives {rows} rows for each token (CLIP NegPip), but its `model` takes every row for a word. "
            f"Connect the MODEL of the same CLIP NegPip to {node}'s `model`."
        )
    return rows


def _places(clip: Any, spelled: Spelled, regions: Regions, missing: str = ERROR) -> list[Span | None]:
    """Where each region's phrase stands in the letters; None for a region without one."""
    found = places(spelled.text, [region.phrase for region in regions])
    for number, (region, span) in enumerate(zip(regions, found, strict=True), 1):
        if not region.phrase.strip():
            continue
        if not spell(clip, region.phrase).tokens or (span and not spelled.within(span)):
            raise ValueError(
                f'Region {number}\'s phrase "{region.phrase}" has no words the text encoder knows (an embedding that is '
                "not there?). Change Region Prompt's `phrase`."
            )
        if span is None:
            occurs = bool(occurrences(spelled.text, region.phrase))
            where = "occurs only where an earlier region has taken words of it" if occurs else "does not occur"
            raise ValueError(
                f'Region {number} is bound to the phrase "{region.phrase}", which {where} in the prompt '
                f'"{spelled.text.written}". '
                + ("" if occurs else near(spelled.text, region.phrase))
                + "Write it there once for each region, change Region Prompt's `phrase`, "
                + (
                    "or leave out its brackets: behind the prompt they close or open others."
                    if missing == APPEND
                    else f'or set Bind Region Prompts\' `missing_phrase` to "{APPEND}".'
                )
            )
    return found


def _with_missing(clip: Any, prompt: str, regions: Regions) -> str:
    """The prompt with the phrases it lacks at its end."""
    bound: Regions = ()
    for region in regions:
        bound = (*bound, region)
        if places(letters_of(prompt), [one.phrase for one in bound])[-1] is None and region.phrase.strip():
            before = prompt.rstrip()
            comma = "" if not before else ", " if before[-1].isalnum() else " , "  # "!," would be one token
            prompt = f"{before}{comma}{region.phrase}"
    return prompt


def _replaced(
    clip: Any, conditioning: list, spelled: Spelled, span: Span, place: list[int], rows: int
) -> list[list[Any]]:
    """The conditioning with a phrase's rows taken from the phrase encoded alone, at the weights of the prompt."""
    alone = spelled.text.alone(span)
    solo = spell(clip, alone)
    pairs = _paired(solo, spelled, span, place)
    weights = {own.position: there.weight for own, there in reversed(pairs)}
    tokens = _plain(clip.tokenize(alone, return_word_ids=True), weights)
    encoded = clip.encode_from_tokens_scheduled(tokens, show_pbar=False)
    source, target = (
        [position * rows + row for position in positions for row in range(rows)]
        for positions in ([own.position for own, _ in pairs], [there.position for _, there in pairs])
    )
    result = []
    for (text, extra), (solo_rows, _) in zip(conditioning, encoded, strict=True):
        text = text.clone()
        text[:, target] = solo_rows[:, source].to(text)
        result.append([text, extra])
    return result


def _paired(solo: Spelled, spelled: Spelled, span: Span, place: list[int]) -> list[tuple[Token, Token]]:
    """For each token of a phrase in the prompt, that of the phrase alone which writes most of the same letters.

    They are the same tokens, one for one, but where signs of the prompt share one with the phrase's, or a tokenizer splits
    a word by what stands before it.
    """
    theirs = [spelled.tokens[token] for token in place]
    if len(theirs) == len(solo.tokens):
        return list(zip(solo.tokens, theirs, strict=True))
    pairs = []
    for token, there in zip(place, theirs, strict=True):
        start, end = (letter - span[0] for letter in spelled.spans[token])
        shared = [min(end, own[1]) - max(start, own[0]) if own else 0 for own in solo.spans]
        if max(shared, default=0) > 0:
            pairs.append((solo.tokens[shared.index(max(shared))], there))
    return pairs


def _plain(tokens: Tokens, weights: dict[int, float] | None = None) -> Tokens:
    """Tokens as the text encoders take them, without word numbers; `weights` replaces those at some positions."""
    plain: Tokens = {}
    for name, chunks in tokens.items():
        plain[name], offset = [], 0
        for chunk in chunks:
            plain[name].append([(t, (weights or {}).get(offset + i, weight)) for i, (t, weight, _) in enumerate(chunk)])
            offset += len(chunk)
    return plain
