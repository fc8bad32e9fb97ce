"""A checkpoint of Stable Diffusion 1.5's build with random weights, for a rehearsal: it costs what the real one costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.ldm.models.autoencoder
import comfy.ldm.modules.diffusionmodules.openaimodel
import comfy.ops
import comfy.sd1_clip
import torch
from safetensors.torch import save_file

WIDTH = 768  # of SD 1.5's text
UNET: dict[str, Any] = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320, "channel_mult": [1, 2, 4, 4],
    "num_res_blocks": [2, 2, 2, 2], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "transformer_depth_middle": 1,
    "context_dim": WIDTH, "use_spatial_transformer": True, "legacy": False,
}  # fmt: skip
SMALL: dict[str, Any] = {  # for a test: two levels instead of four
    **UNET, "channel_mult": [1, 1], "num_res_blocks": [1, 1], "transformer_depth": [1, 1],
    "transformer_depth_output": [1, 1, 1, 1],
}  # fmt: skip
VAE: dict[str, Any] = {
    "double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128,
    "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0,
}  # fmt: skip


def randomise(network: torch.nn.Module, seed: int = 0) -> None:
    """Seeded weights that keep the size of what goes through them; ComfyUI leaves what it expects to load as it is."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in network.named_parameters():
        if weight.ndim > 1:
            weight.data.normal_(0, weight[0].numel() ** -0.5, generator=generator)
        else:
            weight.data.fill_(float(name.endswith("weight")))


def write_checkpoint(path: Path, unet: dict[str, Any] = UNET) -> None:
    """Writes the checkpoint in float16: 2.1 GB, or 0.5 GB with the SMALL UNet."""
    own = {"dtype": torch.float16, "device": "cpu", "operations": comfy.ops.disable_weight_init}
    heads = {"num_heads": 8}
    parts = {
        "model.diffusion_model.": comfy.ldm.modules.diffusionmodules.openaimodel.UNetModel(**unet, **heads, **own),
        "first_stage_model.": comfy.ldm.models.autoencoder.AutoencoderKL(ddconfig=VAE, embed_dim=4).half(),
        "cond_stage_model.": comfy.sd1_clip.SDClipModel(device="cpu", dtype=torch.float16),
    }
    weights = {}
    for prefix, network in parts.items():
        randomise(network)
        weights |= {prefix + name: weight.contiguous() for name, weight in network.state_dict().items()}
    save_file(weights, path)
