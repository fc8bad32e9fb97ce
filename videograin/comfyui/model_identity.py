"""An INVERSION belongs to the weights and the key set it was made with; elsewhere the clip would not come back."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher

from ..core.inversion_record import Inversion
from .plan import Record, describe
from .validate import model_identity, model_name


def require_origin(inversion: Inversion, model: ModelPatcher, plan: tuple[Record, ...], whose: str) -> None:
    """Raises ValueError where the model is not the one a clip was inverted with.

    plan: the model's. whose: for the message, "Some Node's `model`".
    """
    here = describe(plan)
    if inversion.key_sets != here:
        raise ValueError(
            f'The clip was inverted with self-attention seeing "{inversion.key_sets}", but {whose} sees "{here}". '
            "Put the same Full-Frame Attention, Anchor Attention and Flow-Guided Attention before DDIM Inversion and "
            f"before {whose}."
        )
    identity = model_identity(model)
    if inversion.model_id != identity:
        raise ValueError(
            f"The clip was inverted with another model ({inversion.model_name}, {inversion.model_id}) than {whose} "
            f"({model_name(model)}, {identity}). Checkpoint, LoRAs, LoRA strengths and ModelSampling nodes must be the "
            "same as in DDIM Inversion."
        )
