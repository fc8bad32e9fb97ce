"""Real ComfyUI models and samplers at toy size, for the host tests."""

from functools import lru_cache

import comfy.cldm.cldm
import comfy.controlnet
import comfy.model_base
import comfy.model_patcher
import comfy.ops
import comfy.sample
import comfy.samplers
import comfy.supported_models
import pytest
import torch
from torch import Tensor

SD15_SHAPE = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "channel_mult": [1, 2, 2, 2],
    "num_res_blocks": [1, 1, 1, 1],
    "transformer_depth": [1, 1, 1, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "context_dim": 192,  # the demo's text encoder fits
    "use_spatial_transformer": True,
    "legacy": False,
    "dtype": torch.float32,
}


HEADS = 2  # Stable Diffusion's 8 would take four times as long at this size, and show no more


def random_unet(
    v_prediction: bool = False, seed: int = 0, base: type = comfy.model_base.BaseModel,
    family: type = comfy.supported_models.SD15, **changes,
) -> comfy.model_patcher.ModelPatcher:  # fmt: skip
    """An SD 1.5-shaped MODEL with random weights: four levels, half as wide at the end, attention on three and in the middle.

    base: its class. family: the kind of checkpoint core takes it for.
    """
    config = family({**SD15_SHAPE, **changes})
    if config.unet_config.get("num_heads") == 8:
        config.unet_config["num_heads"] = HEADS
    config.set_inference_dtype(torch.float32, None)
    kind = comfy.model_base.ModelType.V_PREDICTION if v_prediction else comfy.model_base.ModelType.EPS
    model = base(config, kind, device="cpu")
    model.requires_grad_(False)
    named = dict(model.diffusion_model.named_parameters())
    drawn = random_weights(tuple((name, weight.shape) for name, weight in named.items()), seed)
    for weight, values in zip(named.values(), drawn, strict=True):
        weight.data = values.clone()
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu)


@lru_cache(maxsize=4)
def random_weights(shapes: tuple[tuple[str, torch.Size], ...], seed: int) -> list[Tensor]:
    """Kept, for most tests want the same network, and to draw its numbers takes longer than to copy them."""
    generator, found = torch.Generator().manual_seed(seed), []
    for name, shape in shapes:
        if len(shape) > 1:
            fan_in = shape[1:].numel()
            found.append(torch.randn(shape, generator=generator) * (1.5 / fan_in) ** 0.5)
        else:
            found.append(torch.full(shape, float(name.endswith("weight"))))
    return found


def small_unet(**changes) -> comfy.model_patcher.ModelPatcher:
    """One of two levels, with attention on the lower one and in the middle: for tests of many steps."""
    shape = {"channel_mult": [1, 2], "num_res_blocks": [1, 1], "transformer_depth": [0, 1],
             "transformer_depth_output": [1, 1, 0, 0]}  # fmt: skip
    return random_unet(**{**shape, **changes})


def controlnet(**changes):
    """A ControlNet for `random_unet` with the same changes and random weights, for ControlNetApply nodes."""
    shape = {name: {**SD15_SHAPE, **changes}[name] for name in ("image_size", "in_channels", "model_channels", "channel_mult",
             "num_res_blocks", "transformer_depth", "transformer_depth_middle", "context_dim", "use_spatial_transformer", "legacy")}  # fmt: skip
    network = comfy.cldm.cldm.ControlNet(
        **shape, hint_channels=3, num_heads=HEADS, operations=comfy.ops.disable_weight_init
    )
    generator = torch.Generator().manual_seed(5)
    for weight in network.requires_grad_(False).parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.05
    return comfy.controlnet.ControlNet(network, load_device=torch.device("cpu"), manual_cast_dtype=None)


def windowed(model, schedule: str = "standard_static", **more):
    """The MODEL run in core's context windows of three frames that overlap by one. more: inputs of newer nodes."""
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode

    options = {"context_stride": 1, "closed_loop": False, "fuse_method": "pyramid", "dim": 0, "freenoise": False}
    return ContextWindowsManualNode.execute(
        model, context_length=3, context_overlap=1, context_schedule=schedule, **options, **more
    ).args[0]


def text(seed: int, tokens: int = 77, width: int = 192) -> list:
    """A CONDITIONING of random numbers."""
    return [[torch.randn(1, tokens, width, generator=torch.Generator().manual_seed(seed)), {}]]


def latent(frames: int = 3, height: int = 16, width: int = 16, seed: int = 1) -> Tensor:
    return torch.randn(frames, 4, height, width, generator=torch.Generator().manual_seed(seed)) * 4


def sample(model, positive, negative, samples: Tensor, noise: bool = False, steps: int = 3, cfg: float = 4.0,
           sampler: str = "euler", scheduler: str = "ddim_uniform", seed: int = 0, **options) -> Tensor:  # fmt: skip
    """KSampler (Advanced): `noise` adds fresh noise, as the plain KSampler always does."""
    fresh = comfy.sample.prepare_noise(samples, seed) if noise else torch.zeros_like(samples)
    return comfy.sample.sample(model, fresh, steps, cfg, sampler, scheduler, positive, negative, samples,
                               force_full_denoise=True, seed=seed, disable_pbar=True, **options)  # fmt: skip


def work(shape, network, number: int):
    """What records reckon the memory of a run from: its latent's shape, bytes of a number in the network."""
    from pack.videograin.backbones import registry
    from pack.videograin.features.base import Work

    backbone = registry.of(network)
    return Work(backbone.geometry(tuple(shape)), 0, number, backbone, network)


def rms(x: Tensor) -> float:
    return float(x.double().square().mean().sqrt())


def uncalled(model):
    """The MODEL, whose network must not be called."""
    model = model.clone()
    model.set_model_unet_function_wrapper(lambda *_: pytest.fail("the model ran"))
    return model
