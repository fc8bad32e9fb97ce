"""A Wan of a few thousand weights: ComfyUI's own network, taken in by its own detection, with random numbers."""

import json

import comfy.ops
import comfy.sd
import torch
from comfy.ldm.wan.model import WanModel

TEXT, DIM, HEADS, LAYERS, CHANNELS = 32, 96, 2, 3, 16


def model(kind=WanModel, seed=0, channels=CHANNELS, dim=DIM, layers=LAYERS, **more):
    """A MODEL of a class of comfy.ldm.wan.model. more: of its arguments."""
    shape = {"num_heads": HEADS, "text_dim": TEXT}
    network = kind(in_dim=channels, out_dim=more.pop("out_dim", channels), dim=dim, ffn_dim=2 * dim, num_layers=layers, freq_dim=256,
                   operations=comfy.ops.disable_weight_init, device="cpu", dtype=torch.float32, **shape, **more)  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    weights = {name: _drawn(name, weight.shape, generator) for name, weight in network.state_dict().items()}
    config = {"config": json.dumps({"transformer": shape})}
    return comfy.sd.load_diffusion_model_state_dict(weights, metadata=config)


def _drawn(name, shape, generator):
    numbers = torch.randn(shape, generator=generator)
    if "norm" in name and name.endswith("weight"):
        return 1 + 0.1 * numbers
    if "modulation" in name:
        return numbers / DIM**0.5
    if name.endswith("weight"):
        return numbers / shape[1:].numel() ** 0.5
    return 0.02 * numbers


def clip(frames=3, height=8, width=8, channels=CHANNELS, seed=1):
    """A latent of so many frames."""
    return torch.randn(1, channels, frames, height, width, generator=torch.Generator().manual_seed(seed))


def text(seed, words=12, length=64):
    """A CONDITIONING as Wan's encoder gives it: behind the words all rows are 0."""
    found = torch.zeros(1, length, TEXT)
    found[:, :words] = torch.randn(1, words, TEXT, generator=torch.Generator().manual_seed(seed))
    return [[found, {}]]


def vae(width=8, seed=0):
    """Wan 2.1's VAE so many channels wide, by ComfyUI's own detection, with random numbers."""
    from comfy.ldm.wan.vae import WanVAE

    network = WanVAE(dim=width, z_dim=CHANNELS, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[],
                     temperal_downsample=[False, True, True], dropout=0.0)  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    weights = {
        name: torch.randn(weight.shape, generator=generator) / max(1, weight[0].numel()) ** 0.5
        if weight.ndim > 1 and not name.endswith("gamma")
        else (torch.ones if name.endswith("gamma") else torch.zeros)(weight.shape)
        for name, weight in network.state_dict().items()
    }
    return comfy.sd.VAE(sd=weights)
