"""A feature of the edit that reads what the network makes of the source clip, at the same step."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.inversion_record import Inversion
from .base import Feature, Record, one_of
from .engine import Call, Cond, Half, Run

Place = tuple  # a kind of tensor and its address, as in ("attn1", "output", 4, 0)


@dataclass(frozen=True, eq=False)
class SourceRecord(Record):
    """conditioning: the prompt of the source's inversion."""

    inversion: Inversion
    conditioning: list

    @property
    def origin(self) -> Inversion:
        return self.inversion

    @property
    def source_prompt(self) -> list:
        return self.conditioning

    def of_frame(self, number: int, frames: int) -> SourceRecord:
        """Its prompt stays: who cuts the clip's prompts cuts this one too."""
        one_of(self.inversion.source, number, frames, f"{self.node}'s `inversion`")
        return replace(self, inversion=self.inversion.of_frame(number))


class SourceReader(Feature):
    placed = True

    def __init__(self, record: SourceRecord, run: Run, pairing: str):
        super().__init__(record, run)
        self.source = run.source(self, pairing)

    @property
    def places(self) -> frozenset[Place]:
        """Where it reads at present; empty between two steps, so that a call there has no source."""
        return self.source.reading.get(self, frozenset())

    def places_at(self, sigma: float) -> frozenset[Place]:
        """Where it reads the source's tensors at sigma."""
        raise NotImplementedError

    def takes(self, cond: Cond) -> bool:
        """Whether a cond of the edit is given the source's tensors."""
        raise NotImplementedError

    def acts_in(self, call: Call, kind: str) -> bool:
        return any(place[0] == kind for place in self.places)

    def acts_on(self, call: Call, place: Place, cond: Cond | None) -> bool:
        return (
            place in self.places
            and cond is not None
            and cond.half != Half.SOURCE
            and call.indices is not None
            and self.takes(cond)
        )

    def read(self, call: Call, place: Place, cond: Cond, shapes: list[torch.Size]) -> tuple[Tensor, ...] | None:
        """The source's tensors for a cond, the first of them of these shapes; None, with a warning, if they do not fit."""
        theirs = self.source.at(place, cond.area, call.indices)
        if theirs is None or [tensor.shape for tensor in theirs[: len(shapes)]] != shapes:
            self.run.warn(
                f"{self.record.node} has no features of the source that fit a model call (another node changes the "
                "batch or its tokens between two calls): nothing of the source is used there."
            )
            return None
        return theirs

    def exchanged(self, call: Call, place: Place, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Puts the source's tensors into the conds that take them.

        tensors: (c, f, ...) each; returned unchanged where nothing is exchanged.
        """
        replaced = None
        for number, cond in enumerate(call.conds):
            if not self.acts_on(call, place, cond):
                continue
            theirs = self.read(call, place, cond, [tensor[number].shape for tensor in tensors])
            if theirs is None:
                continue
            replaced = replaced or tuple(tensor.clone() for tensor in tensors)
            for ours, tensor in zip(replaced, theirs, strict=True):
                ours[number] = tensor.to(ours)
        return replaced or tensors
