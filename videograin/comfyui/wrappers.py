"""Puts records on a MODEL, and acts for them while it samples.

A clone carries one more record and the wrappers that will read the plan, which are ComfyUI's own extension points.
OUTER_SAMPLE checks the plan and owns the run, PREPARE_SAMPLING reckons its memory, SAMPLER_SAMPLE learns which prompt each
cond of a batch will belong to, PREDICT_NOISE is a step, CALC_COND_BATCH cuts hints to a context window, DIFFUSION_MODEL
puts the features at the attention sites of one call, around whatever other packs put there.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ..features.base import Record
from ..features.engine import Start, Step
from . import checks, gradients, memory
from .attention import Call
from .finite import require_finite
from .module_hooks import hooked
from .plan import KEY, find, live, records
from .progress import Notes
from .run import NOTES, RUN, Run
from .validate import require_family, sampler_name


def add(model: ModelPatcher, record: Record) -> ModelPatcher:
    """A clone of the MODEL with one more record. Raises ValueError for another family or a second record of its kind."""
    require_family(model, record.node, *record.needs)
    plan = records(model)
    if find(plan, type(record)) is not None:
        raise ValueError(
            f"This MODEL has passed through {record.node} already, and a second one would contradict the first. "
            f"Remove one of the two {record.node} nodes."
        )
    return with_plan(model, (*plan, record))


def for_inversion(model: ModelPatcher, *more: Record) -> ModelPatcher:
    """A clone whose plan keeps only what is live while inverting: which tokens self-attention sees; and more records."""
    return with_plan(model, (*live(records(model)), *more))


def for_showing(model: ModelPatcher, *more: Record) -> ModelPatcher:
    """A clone that attends as in the edit, without what works on the latent alone; and more records."""
    return with_plan(model, (*(record for record in records(model) if not record.on_latent), *more))


def noting(model: ModelPatcher, notes: Notes) -> ModelPatcher:
    """A clone whose runs add their warnings to those of the node at work."""
    clone = model.clone()
    clone.model_options.setdefault("transformer_options", {})[NOTES] = notes
    return clone


def with_plan(model: ModelPatcher, plan: tuple[Record, ...]) -> ModelPatcher:
    """A clone with this plan in place of its own."""
    clone = model.clone()
    clone.model_options.setdefault("transformer_options", {})[KEY] = plan
    for kind, wrapper in (
        (WrappersMP.OUTER_SAMPLE, outer_sample),
        (WrappersMP.PREPARE_SAMPLING, memory.prepare_sampling),
        (WrappersMP.SAMPLER_SAMPLE, sampler_sample),
        (WrappersMP.PREDICT_NOISE, predict_noise),
        (WrappersMP.CALC_COND_BATCH, calc_cond_batch),
        (WrappersMP.DIFFUSION_MODEL, diffusion_model),
    ):
        clone.remove_wrappers_with_key(kind, KEY)
        clone.add_wrapper_with_key(kind, KEY, wrapper)
    return clone


def outer_sample(executor, noise, latent_image, sampler, sigmas, denoise_mask=None, *args, **kwargs):
    guider = executor.class_obj
    options = guider.model_options["transformer_options"]
    seed = kwargs.get("seed", args[2] if len(args) > 2 else None)
    checks.check_inputs(guider, options.get(KEY, ()), noise, latent_image)
    levels = [float(sigma) for sigma in sigmas]
    start = Start(noise, denoise_mask is not None, levels, sampler_name(sampler), seed or 0)
    run = Run(guider, options.get(KEY, ()), start)
    checks.check(run, guider, latent_image)
    noise = run.first_noise(latent_image)
    for source in run.sources:
        source.announce(guider)
    options[RUN] = run
    _reorder(options["wrappers"])
    _uncompile(run, options["wrappers"])
    try:
        # A copy: uni_pc writes into the list, which may be a node's cached output.
        samples = executor(noise, latent_image, sampler, sigmas.clone(), denoise_mask, *args, **kwargs)
        if run.editing is not None:
            run.editing.end()
        return run.finish(samples)
    finally:
        del options[RUN]
        run.drop()


def _reorder(wrappers: dict) -> None:
    """Innermost around the network, to see everybody's patches; outermost around a step, to act on skipped ones too."""
    inner = wrappers["diffusion_model"]
    inner[KEY] = inner.pop(KEY)
    outer = wrappers["predict_noise"]
    ours = outer.pop(KEY)
    others = dict(outer)
    outer.clear()
    outer.update({KEY: ours, **others})


def _uncompile(run: Run, wrappers: dict) -> None:
    """Keeps torch.compile from reusing what stands at a site in one call: core's node drops the guards that would notice."""
    if "torch.compile" in wrappers.get("apply_model", {}):
        wrappers["diffusion_model"][KEY] = [torch.compiler.disable(diffusion_model)]
        run.warn(
            "The sampler's MODEL is compiled (TorchCompileModel), but what this pack does in the network changes from step "
            "to step, so it runs uncompiled here: the same result, at its ordinary speed."
        )


def sampler_sample(executor, guider, *args, **kwargs):
    run = guider.model_options["transformer_options"].get(RUN)
    if run is not None:
        run.learn_conds(guider)
    return executor(guider, *args, **kwargs)


def predict_noise(executor, x, timestep, model_options=None, *args, **kwargs):
    run: Run | None = (model_options or {}).get("transformer_options", {}).get(RUN)
    if run is None:
        return executor(x, timestep, model_options, *args, **kwargs)
    step = Step(float(timestep.flatten()[0]), executor.class_obj, model_options)
    if run.editing is not None:
        run.editing.reach(step.sigma)

    def network(x):
        with ExitStack() as looking:
            for source in run.sources:
                looking.enter_context(source.seen_at(step, x))
            return executor(x, timestep, model_options, *args, **kwargs)

    denoised = run.step(step, x, network)
    require_finite(run.backbone.clip(denoised, 0, run.frames), step.sigma, run.start.sigmas)
    return denoised


def calc_cond_batch(executor, model, conds, x, timestep, model_options, *args, **kwargs):
    options = model_options.get("transformer_options", {})
    run: Run | None = options.get(RUN)
    if run is None:
        return executor(model, conds, x, timestep, model_options, *args, **kwargs)
    if "context_window" in options:
        conds = run.hints.windowed(conds, options["context_window"])
    run.shown = x
    try:
        return executor(model, conds, x, timestep, model_options, *args, **kwargs)
    finally:
        run.shown = None


def diffusion_model(executor, *args, **kwargs):
    options = _options(args, kwargs)
    if options is None:
        return executor(*args, **kwargs)
    run: Run = options[RUN]
    if run.watcher is not None:
        return gradients.watched(run, options, executor, args, kwargs)
    network = executor.class_obj
    call = Call(run, options, args[0], gradients.text_rows(args, kwargs), run.features)
    with hooked(call, network), run.backbone.attached(call, network, options) as patched:
        args = tuple(patched if a is options else a for a in args)
        kwargs = {name: patched if a is options else a for name, a in kwargs.items()}
        return executor(*args, **kwargs)


def _options(args: tuple, kwargs: dict) -> dict[str, Any] | None:
    """The transformer options among a wrapper's arguments, wherever this ComfyUI version passes them."""
    return next((a for a in (*args, *kwargs.values()) if isinstance(a, dict) and RUN in a), None)
