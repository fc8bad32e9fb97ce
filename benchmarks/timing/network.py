"""One guided step of an SD 1.5-size network, random weights: per frame, full-frame, ST-Layout; and whole edits.

Import it after ComfyUI (tools/inprocess.py).
"""

from __future__ import annotations

import comfy.ldm.models.autoencoder
import comfy.model_base
import comfy.model_management
import comfy.sd
import comfy.supported_models
import nodes as host
import torch
from comfy.model_patcher import ModelPatcher

from ...nodes.attention import FullFrameAttention, STLayoutAttention
from ...nodes.blend import LatentBlend
from ...nodes.inversion import DDIMInversion
from ...proof.random_weights import UNET, VAE, WIDTH, randomise
from ...videograin.comfyui.prompts import KEY
from ...videograin.core.phrase_tokens import Binding
from ...videograin.core.regions import Region
from . import machine
from .rows import FULL_FRAME, PER_FRAME, Row


def random_unet(gpu: bool) -> ModelPatcher:
    """SD 1.5's UNet, 860 M parameters, seeded random weights: float32, or float16 where ComfyUI puts models on a GPU."""
    dtype = torch.float16 if gpu else torch.float32
    config = comfy.supported_models.SD15({**UNET, "dtype": dtype})
    config.set_inference_dtype(dtype, None)
    cpu = torch.device("cpu")
    model = comfy.model_base.BaseModel(config, device=cpu)
    randomise(model.diffusion_model)
    device = comfy.model_management.get_torch_device() if gpu else cpu
    return ModelPatcher(model, load_device=device, offload_device=cpu)


def prompts(frames: int, size: int) -> tuple[list, list, list]:
    """Random CONDITIONING (source, bound positive, negative), with two regions and background."""
    generator = torch.Generator().manual_seed(1)
    source, negative = ([[torch.randn(1, 77, WIDTH, generator=generator), {}]] for _ in range(2))
    masks = torch.zeros(2, frames, size, size)
    masks[0, :, size // 4 :, : size * 3 // 8], masks[1, :, size // 4 :, size // 2 : size * 7 // 8] = 1, 1
    tokens = torch.zeros(2, 77, dtype=torch.bool)
    tokens[0, 1:3], tokens[1, 4:6] = True, True
    regions = (Region(masks[0], "left"), Region(masks[1], "right"))
    return source, [[source[0][0], {KEY: Binding(regions, tokens)}]], negative


def latent(frames: int, size: int) -> dict:
    return {"samples": torch.randn(frames, 4, size // 8, size // 8, generator=torch.Generator().manual_seed(2))}


def patched(model: ModelPatcher, mode: str) -> ModelPatcher:
    if mode == PER_FRAME:
        return model
    model = FullFrameAttention.execute(model, "all frames").result[0]
    if mode == FULL_FRAME:
        return model
    return STLayoutAttention.execute(model, "paper", 0.3, 1.0, 1.0).result[0]


def step(mode: str, frames: int, size: int, device: torch.device) -> Row:
    """Seconds and peak memory of one step with guidance, after one of a single frame."""
    model = patched(random_unet(device.type == "cuda"), mode)

    def sample(count: int) -> torch.Tensor:
        _, positive, negative = prompts(count, size)
        start = latent(count, size)
        return host.common_ksampler(model, 0, 1, 7.5, "euler", "normal", positive, negative, start)[0]["samples"]

    sample(1)  # weights in place, kernels compiled, threads started
    if device.type == "cuda":
        sample(frames)
    spent: list[float] = []
    peak, _ = machine.peak_mb(lambda: spent.append(machine.seconds(lambda: sample(frames), device)), device)
    return {"bench": "network", "case": mode, "frames": frames, "size": size, "seconds": spent[0], "peak_mb": peak}


def random_vae() -> comfy.sd.VAE:
    """SD 1.5's VAE with random weights: ComfyUI leaves what it expects to load uninitialised."""
    network = comfy.ldm.models.autoencoder.AutoencoderKL(ddconfig=VAE, embed_dim=4)
    randomise(network)
    return comfy.sd.VAE(sd=network.state_dict())


def edit(frames: int, size: int, steps: int, device: torch.device) -> Row:
    """A whole edit: VAE encode, inversion, ST-Layout and Latent Blend, VAE decode. Random weights, true cost."""
    model = random_unet(device.type == "cuda")
    vae = random_vae()

    def whole(count: int) -> None:
        pictures = torch.rand(frames, size, size, 3, generator=torch.Generator().manual_seed(3))
        source, positive, negative = prompts(frames, size)
        clip = {"samples": vae.encode(pictures)}
        full = patched(model, FULL_FRAME)
        noise, inversion, _ = DDIMInversion.execute(full, source, clip, count, "ddim_uniform", 0).result
        editing = LatentBlend.execute(full, "inversion", inversion).result[0]
        editing = STLayoutAttention.execute(editing, "paper", 0.3, 1.0, 0.3).result[0]
        edited = host.common_ksampler(
            editing, 0, count, 7.5, "euler", "ddim_uniform", positive, negative, noise, disable_noise=True
        )[0]["samples"]
        vae.decode(edited)

    whole(1)
    spent: list[float] = []
    peak, _ = machine.peak_mb(lambda: spent.append(machine.seconds(lambda: whole(steps), device)), device)
    case = f"{steps} inversion and {steps} edit steps, VAE included"
    return {"bench": "end to end", "case": case, "frames": frames, "size": size, "seconds": spent[0], "peak_mb": peak}
