"""A call of the network that a feature makes for itself, with gradients, in ComfyUI's inference mode.

Gradients exist only inside the network's own call: it is cut after the last site that is watched, its weights take part
as copies, and attention is PyTorch's own, which has a backward pass. Other packs' attention patches are left out; the
call goes through ComfyUI's own batching, so that ControlNet, hooks and context windows act as they do in the edit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from comfy.ldm.modules.attention import attention_pytorch
from torch import Tensor, nn

from .attention import Call
from .module_hooks import hooked
from .run import Run


def watched(run: Run, options: dict[str, Any], executor: Any, args: tuple, kwargs: dict) -> Tensor:
    """Stands for such a call: the run's watcher is given the gradient it asks for; returns an empty prediction."""
    watcher, network, (z, *rest) = run.watcher, executor.class_obj, args
    call = Call(
        run, _plain(options, watcher, (*rest, *kwargs.values())), z, text_rows(args, kwargs), _seeing(run, watcher)
    )
    if call.indices is not None:
        with (
            torch.inference_mode(False), torch.enable_grad(), own_weights(network),
            run.backbone.cut_after(network, watcher.sites), hooked(call, network),
            run.backbone.attached(call, network, call.options) as patched,
        ):  # fmt: skip
            shown = z.clone().requires_grad_()
            given = [patched if value is options else _ordinary(value) for value in rest]
            named = {name: patched if value is options else _ordinary(value) for name, value in kwargs.items()}
            executor(shown, *given, **named)
            gradient = watcher.gradient(call, shown)
        watcher.take(call, gradient)
    return z.new_zeros(len(z), network.out_channels, *z.shape[2:])


def text_rows(args: tuple, kwargs: dict) -> int:
    """Rows of the batch's text as the network is given it."""
    context = args[2] if len(args) > 2 else kwargs.get("context")
    return 0 if context is None else context.shape[1]


def _seeing(run: Run, watcher: Any) -> list:
    """What says which frames see which, and the watcher."""
    return [*(feature for feature in run.features if feature.record.live_in_inversion), watcher]


def _plain(options: dict[str, Any], watcher: Any, given: tuple) -> dict[str, Any]:
    """The transformer options without other packs' attention patches."""
    theirs = options.get("patches", {})
    kept = {"attn2_patch": theirs.get("attn2_patch", [])} if watcher.keeps_text_patches else {}
    if any(isinstance(value, dict) and "output" in value for value in given):  # ControlNet adds to skips in place
        kept["input_block_patch_after_skip"] = [_apart]
    return {**options, "patches": kept, "patches_replace": {}, "optimized_attention_override": _differentiable}


@contextmanager
def own_weights(network: nn.Module) -> Iterator[None]:
    """Has every layer work with a copy of its weights, made where gradients are allowed.

    ComfyUI loads weights in inference mode, and moves them through buffers where they do not all fit: neither may a
    backward pass rely on.
    """
    layers = [(m, m.weight_function, m.bias_function) for m in network.modules() if hasattr(m, "weight_function")]
    for layer, weight, bias in layers:
        layer.weight_function, layer.bias_function = [*weight, torch.clone], [*bias, torch.clone]
    try:
        yield
    finally:
        for layer, weight, bias in layers:
            layer.weight_function, layer.bias_function = weight, bias


def _differentiable(attention: Any, *args: Any, **kwargs: Any) -> Tensor:
    """An attention override: whatever was chosen for speed may have no backward pass."""
    return attention_pytorch(*args, **kwargs)


def _apart(h: Tensor, options: dict) -> Tensor:
    """A patch after which a skip connection and the next block's input are not one tensor."""
    return h.clone()


def _ordinary(value: Any) -> Any:
    """A tensor made in inference mode as one that a backward pass may keep."""
    return value.clone() if isinstance(value, Tensor) else value
