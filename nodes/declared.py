"""Checks of linked values: ComfyUI checks only the values typed into widgets."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import wraps
from numbers import Real
from typing import Any

from torch import Tensor

from .joined import joined


def _is_conditioning(value: Any) -> bool:
    pairs = (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(e, list | tuple) and len(e) == 2 for e in value)
    )
    return pairs and all(isinstance(text, Tensor) and isinstance(notes, dict) for text, notes in value)


FORMS = {  # socket type -> its values, in words and as a test
    "INT": (
        "a whole number",
        lambda value: isinstance(value, Real) and (not math.isfinite(value) or value == int(value)),
    ),
    "FLOAT": ("a number", lambda value: isinstance(value, Real)),
    "IMAGE": ("an IMAGE", lambda value: isinstance(value, Tensor)),
    "STRING": ("a text", lambda value: isinstance(value, str)),
    "MASK": ("a MASK", lambda value: isinstance(value, Tensor)),
    "LATENT": ("a LATENT", lambda value: isinstance(value, dict) and isinstance(value.get("samples"), Tensor)),
    "CONDITIONING": ("a CONDITIONING with at least one prompt", _is_conditioning),
}
FILE = "file"  # an input that is not checked here: its list may be older than the file


def declared(execute: Callable) -> Callable:
    """Decorator (below `@classmethod`) that checks a node's inputs against its schema before it runs.

    Grey frames become RGB. Where the schema has `is_input_list`, lists become single values first (joined.py).
    Raises ValueError for a number out of range, a wrong type or choice, and for frames or a mask without a pixel.
    """
    signature = inspect.signature(execute)

    @wraps(execute)
    def checked(cls, *args, **kwargs):
        given = signature.bind(cls, *args, **kwargs)
        schema = cls.SCHEMA or cls.define_schema()
        name = schema.display_name.partition(" (")[0]  # as all messages say it; the rest is for the library
        owner = name + ("'" if name.endswith("s") else "'s")
        for entry in schema.inputs:
            value = given.arguments.get(entry.id)
            if schema.is_input_list and isinstance(value, list):
                _, fits = FORMS.get(entry.get_io_type(), ("", lambda found: not isinstance(found, list)))
                value = given.arguments[entry.id] = joined(owner, entry, value, fits)
                if value is None and entry.optional:
                    del given.arguments[entry.id]
            if value is None and entry.get_io_type() in FORMS and not entry.optional and entry.id in given.arguments:
                raise ValueError(f"{owner} `{entry.id}` is empty. Connect {FORMS[entry.get_io_type()][0]}.")
            if value is not None:
                _check(owner, entry, value)
                if entry.get_io_type() == "INT":
                    given.arguments[entry.id] = int(value)
                if entry.get_io_type() == "MASK" and value.ndim == 4 and value.shape[-1] == 1 < value.shape[1]:
                    given.arguments[entry.id] = value[..., 0]  # some packs give (frames, height, width, 1)
                if entry.get_io_type() == "IMAGE" and value.shape[-1] < 3:  # with or without alpha
                    given.arguments[entry.id] = value[..., :1].expand(-1, -1, -1, 3)
        return execute(*given.args, **given.kwargs)

    return checked


def _check(owner: str, entry: Any, value: Any) -> None:
    kind = entry.get_io_type()
    form, fits = FORMS.get(kind, ("", lambda _: True))
    if not fits(value):
        raise ValueError(f"{owner} `{entry.id}` is {type(value).__name__} {str(value)[:60]!r}, but must be {form}.")
    if kind in ("INT", "FLOAT"):
        low, high = (getattr(entry, side, None) for side in ("min", "max"))
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(f"{owner} `{entry.id}` is {value}, but must be from {low} to {high}.")
    elif kind == "COMBO" and entry.id != FILE and value not in entry.options:
        choices = ", ".join(f"“{choice}”" for choice in entry.options)
        raise ValueError(f"{owner} `{entry.id}` is {value!r}, but must be one of {choices}.")
    elif kind == "IMAGE" and (value.ndim != 4 or not value.numel()):
        raise ValueError(
            f"{owner} `{entry.id}` is {tuple(value.shape)}, but must be frames, (count, height, width, 3), at least one."
        )
    elif kind == "MASK" and not value.isfinite().all():
        raise ValueError(f"{owner} `{entry.id}` holds NaN or infinite values. Look at the node that made the mask.")
    elif kind == "MASK" and (value.ndim < 2 or not value.numel()):
        raise ValueError(
            f"{owner} `{entry.id}` is {tuple(value.shape)}, but must be a mask, (count, height, width), without an empty side."
        )
