"""Puts feature records on a MODEL: a clone, one more record, and the wrappers that will read the plan."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from . import memory, run
from .plan import KEY, Probe, Record, find, live, records, seen
from .progress import Notes
from .validate import require_unet


def add(model: ModelPatcher, record: Record) -> ModelPatcher:
    """A clone of the MODEL with one more record. Raises ValueError for a non-UNet or a second record of its kind."""
    require_unet(model, record.node)
    plan = records(model)
    if find(plan, type(record)) is not None:
        raise ValueError(
            f"This MODEL has passed through {record.node} already, and a second one would contradict the first. "
            f"Remove one of the two {record.node} nodes."
        )
    return with_plan(model, (*plan, record))


def for_inversion(model: ModelPatcher) -> ModelPatcher:
    """A clone whose plan keeps only what is live while inverting: which tokens self-attention sees."""
    return with_plan(model, live(records(model)))


def noting(model: ModelPatcher, notes: Notes) -> ModelPatcher:
    """A clone whose runs add their warnings to those of the node at work."""
    clone = model.clone()
    clone.model_options.setdefault("transformer_options", {})[run.NOTES] = notes
    return clone


def for_features(model: ModelPatcher, probe: Probe) -> ModelPatcher:
    """A clone that sees what it saw while inverting, and is looked at."""
    return with_plan(model, (*live(records(model)), probe))


def for_showing(model: ModelPatcher, probe: Probe) -> ModelPatcher:
    """A clone that attends as in the edit, and is looked at."""
    return with_plan(model, (*seen(records(model)), probe))


def with_plan(model: ModelPatcher, plan: tuple[Record, ...]) -> ModelPatcher:
    """A clone with this plan in place of its own."""
    clone = model.clone()
    clone.model_options.setdefault("transformer_options", {})[KEY] = plan
    for kind, wrapper in (
        (WrappersMP.OUTER_SAMPLE, run.outer_sample),
        (WrappersMP.PREPARE_SAMPLING, memory.prepare_sampling),
        (WrappersMP.SAMPLER_SAMPLE, run.sampler_sample),
        (WrappersMP.PREDICT_NOISE, run.predict_noise),
        (WrappersMP.CALC_COND_BATCH, run.calc_cond_batch),
        (WrappersMP.DIFFUSION_MODEL, run.diffusion_model),
    ):
        clone.remove_wrappers_with_key(kind, KEY)
        clone.add_wrapper_with_key(kind, KEY, wrapper)
    return clone
