"""What has no attention hook: torch's forward hooks, set for one call of the network and removed whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel
from einops import rearrange
from torch import Tensor, nn

from ..features.pnp_injection import RESNET, last_convolution
from .other_packs import groupnorm_pack

if TYPE_CHECKING:
    from .attention import Call


@contextmanager
def hooked(call: Call, network: UNetModel) -> Iterator[None]:
    """Sets the hooks a model call needs: feature injection into ResNets, GroupNorm over all frames."""
    with ExitStack() as hooks:
        for module, hook in _injections(call, network):
            hooks.callback(module.register_forward_hook(hook).remove)
        if call.run.key_sets.clip_norm and call.frames > 1:
            _require_own_norm(call)
            for norm in norms(network):
                hooks.callback(norm.register_forward_pre_hook(_joined(call.frames)).remove)
                hooks.callback(norm.register_forward_hook(_separated(call.frames)).remove)
        yield


def _require_own_norm(call: Call) -> None:
    if pack := groupnorm_pack(call.options):
        raise ValueError(
            f"Full-Frame Attention's `clip_norm` and {pack} both have GroupNorm take its statistics over the frames: "
            "AnimateDiff's motion modules v1 and PIA bring that with them. Switch `clip_norm` off, for the inversion and "
            "the edit alike."
        )


def norms(network: UNetModel) -> list[nn.Module]:
    """The GroupNorms outside transformer blocks: two in each ResNet, one in the output head, unless that is cut off."""
    resnets = [module for module in network.modules() if isinstance(module, ResBlock)]
    head = [network.out[0]] if isinstance(network.out, nn.Sequential) else []
    return [norm for resnet in resnets for norm in (resnet.in_layers[0], resnet.out_layers[0])] + head


def _injections(call: Call, network: UNetModel) -> Iterator[tuple[nn.Module, Any]]:
    injector = call.run.injector
    for place in injector.places if injector is not None else ():
        if place[0] == RESNET:
            # Bound in a function of its own: a hook made in the loop would see the last place only.
            yield last_convolution(network, place[1]), _exchanged(call, place)


def _exchanged(call: Call, place: tuple) -> Any:
    def hook(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        call.show(place, output)
        return call.run.injector.exchange(call, place, output)[0]

    return hook


def _joined(frames: int) -> Any:
    """Makes each chunk's frames one tall picture, which the norm's own statistics then cover."""

    def hook(module: nn.Module, args: tuple) -> tuple:
        return (rearrange(args[0], "(c f) ch h w -> c ch (f h) w", f=frames), *args[1:])

    return hook


def _separated(frames: int) -> Any:
    def hook(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        return rearrange(output, "c ch (f h) w -> (c f) ch h w", f=frames)

    return hook
