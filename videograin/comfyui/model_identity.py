"""Which weights a MODEL samples with. An INVERSION belongs to the weights and the key set it was made with; elsewhere the clip would not come back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_management
from comfy.model_patcher import ModelPatcher
from comfy.model_sampling import ModelSamplingDiscrete, ModelSamplingDiscreteFlow
from torch import Tensor

from ..backbones import registry
from ..core.inversion_record import Inversion
from .plan import Plan, describe


def require_origin(inversion: Inversion, model: ModelPatcher, plan: Plan, whose: str) -> None:
    """Raises ValueError where the model is not the one a clip was inverted with.

    plan: the model's. whose: for the message, "Some Node's `model`".
    """
    here = describe(plan, registry.of(model.model.diffusion_model))
    if inversion.key_sets and inversion.key_sets != here:
        raise ValueError(
            f'The clip was inverted with self-attention seeing "{inversion.key_sets}", but {whose} sees "{here}". '
            "Put the same Full-Frame Attention, Anchor Attention and Flow-Guided Attention before DDIM Inversion and "
            f"before {whose}."
        )
    identity = model_identity(model)
    if inversion.model_id != identity:
        raise ValueError(
            f"The clip was inverted with another model ({inversion.model_name}, {inversion.model_id}) than {whose} "
            f"({model_name(model)}, {identity}). Checkpoint, LoRAs, LoRA strengths, motion modules and ModelSampling nodes "
            "must be the same as in DDIM Inversion."
        )


def model_name(model: ModelPatcher) -> str:
    return type(model.model).__name__


def model_identity(model: ModelPatcher) -> str:
    """A fingerprint of the weights a MODEL samples with, equal after a restart.

    Covers the class, the kind of prediction and its sigma table, every weight's name, shape and dtype, the values of eight
    small tensors, and the keys, strengths and first values of LoRA patches. Norms and biases are read because patches leave them
    alone; where one is patched its unpatched backup is read, so a loaded and an unloaded model agree.
    """
    with _ejected(model):
        return _identity(model)


@contextmanager
def _ejected(model: ModelPatcher) -> Iterator[None]:
    """Without the layers that another pack (AnimateDiff-Evolved) has in the network while it is loaded."""
    sharing = (loaded.model for loaded in comfy.model_management.current_loaded_models if loaded.model is not None)
    injected = next((m for m in sharing if m.model is model.model and m.is_injected), None)
    if injected is None:
        yield
    else:
        with injected.use_ejected():
            yield


def _identity(model: ModelPatcher) -> str:
    digest = hashlib.sha256(model_name(model).encode())
    sampling = model.get_model_object("model_sampling")
    digest.update(" ".join(kind.__name__ for kind in type(sampling).__mro__).encode())
    if isinstance(sampling, ModelSamplingDiscrete):
        digest.update(sampling.sigmas.float().cpu().numpy().tobytes())
    # A flow model's shift says which levels are walked, not what is seen there.
    if isinstance(sampling, ModelSamplingDiscreteFlow):
        digest.update(f"{sampling.multiplier}".encode())
    weights = model.model.diffusion_model.state_dict()
    names = sorted(weights)
    for name in names:
        digest.update(f"{name}{tuple(weights[name].shape)}{weights[name].dtype}".encode())
    small = [name for name in names if weights[name].ndim == 1]
    for name in small[:: max(1, len(small) // 8)][:8]:
        backup = model.backup.get(f"diffusion_model.{name}")
        tensor = weights[name] if backup is None else getattr(backup, "weight", backup)
        digest.update(tensor.detach().float().cpu()[:256].numpy().tobytes())
    for key in sorted(model.patches, key=str):
        for patch in model.patches[key]:
            digest.update(f"{key}{patch[0]}{patch[2]}".encode())
            for tensor in _tensors(patch[1]):
                digest.update(tensor.detach().flatten()[:16].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _tensors(patch: Any) -> Iterator[Tensor]:
    """A patch's tensors: adapters hold them in `weights`, the other kinds in nested tuples."""
    if isinstance(patch, Tensor):
        yield patch
    elif isinstance(patch, tuple | list):
        for part in patch:
            yield from _tensors(part)
    elif hasattr(patch, "weights"):
        yield from _tensors(patch.weights)
