"""Tiny random models of Stable Diffusion 1.5's structure for the golden runs, and stand-ins for the stock loaders."""

from __future__ import annotations

import comfy.cldm.cldm
import comfy.controlnet
import comfy.model_base
import comfy.model_patcher
import comfy.ops
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models
import comfy.supported_models_base
import folder_paths
import torch
from comfy.taesd.taesd import TAESD
from torch import nn

CPU = torch.device("cpu")
WIDTH, HEADS = 192, 8
UNET = {  # four levels, attention on three and in the middle, half as wide at the end as the real one
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 64,
    "channel_mult": [1, 2, 2, 2],
    "num_res_blocks": [1, 1, 1, 1],
    "transformer_depth": [1, 1, 1, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "context_dim": WIDTH,
    "use_spatial_transformer": True,
    "legacy": False,
    "dtype": torch.float32,
}
TEXT = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "intermediate_size": 2 * WIDTH,
    "hidden_act": "quick_gelu",
    "max_position_embeddings": 77,
    "eos_token_id": 49407,
}


def fill(network: nn.Module, seed: int, scale: float = 1.0) -> None:
    """Fills all weights with random numbers; the host leaves them uninitialised, because it expects a file."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in sorted(network.requires_grad_(False).named_parameters()):
        if name.startswith("vae_"):  # the tiny autoencoder's range
            continue
        if weight.ndim > 1:
            fan_in = weight.shape[1:].numel()
            weight.data = torch.randn(weight.shape, generator=generator) * scale * (1.5 / fan_in) ** 0.5
        else:
            weight.data = torch.full(weight.shape, float(name.endswith("weight")))


def unet(instruct: bool = False) -> comfy.model_patcher.ModelPatcher:
    """The MODEL. instruct: as InstructPix2Pix, with the source's latent as four more channels."""
    family = comfy.supported_models.SD15_instructpix2pix if instruct else comfy.supported_models.SD15
    base = comfy.model_base.SD15_instructpix2pix if instruct else comfy.model_base.BaseModel
    config = family({**UNET, "in_channels": 8 if instruct else 4})
    config.set_inference_dtype(torch.float32, None)
    model = base(config, comfy.model_base.ModelType.EPS, device=CPU)
    fill(model, seed=1 + instruct)
    return comfy.model_patcher.CoreModelPatcher(model, load_device=CPU, offload_device=CPU)


class Tokenizer(comfy.sd1_clip.SD1Tokenizer):
    def __init__(self, embedding_directory=None, tokenizer_data=None):
        super().__init__(embedding_directory, tokenizer_data or {})
        self.clip_l.embedding_size = WIDTH


class Encoder(comfy.sd1_clip.SDClipModel):
    def __init__(self, device="cpu", dtype=None, model_options=None):
        super().__init__(device=device, dtype=dtype, textmodel_json_config=TEXT, return_projected_pooled=False,
                         model_options=model_options or {})  # fmt: skip


class TextModel(comfy.sd1_clip.SD1ClipModel):
    def __init__(self, device="cpu", dtype=None, model_options=None):
        super().__init__(device, dtype, model_options or {}, clip_name="l", clip_model=Encoder)


def text_encoder() -> comfy.sd.CLIP:
    clip = comfy.sd.CLIP(
        comfy.supported_models_base.ClipTarget(Tokenizer, TextModel),
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
    )
    fill(clip.cond_stage_model, seed=3)
    table = clip.cond_stage_model.clip_l.transformer.get_input_embeddings().weight
    table.data *= WIDTH**0.5 / 4  # tokens must differ clearly
    return clip


def autoencoder() -> comfy.sd.VAE:
    network = TAESD()
    fill(network, seed=4)
    return comfy.sd.VAE(sd=network.state_dict())


def control_net() -> comfy.controlnet.ControlNet:
    names = ("image_size", "in_channels", "model_channels", "channel_mult", "num_res_blocks", "transformer_depth",
             "transformer_depth_middle", "context_dim", "use_spatial_transformer", "legacy")  # fmt: skip
    network = comfy.cldm.cldm.ControlNet(
        **{name: UNET[name] for name in names},
        hint_channels=3,
        num_heads=HEADS,
        operations=comfy.ops.disable_weight_init,
    )
    fill(network, seed=5, scale=0.3)
    return comfy.controlnet.ControlNet(network, load_device=CPU, manual_cast_dtype=None)


class Checkpoint:
    """Stand-in for Load Checkpoint, for any file name."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL", "CLIP", "VAE"), "load", "loaders"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"ckpt_name": ("STRING", {})}}

    def load(self, ckpt_name: str) -> tuple:
        return unet("pix2pix" in ckpt_name), text_encoder(), autoencoder()


class Control:
    """Stand-in for Load ControlNet Model, for any file name."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("CONTROL_NET",), "load", "loaders"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"control_net_name": ("STRING", {})}}

    def load(self, control_net_name: str) -> tuple:
        return (control_net(),)


LOADERS = {"CheckpointLoaderSimple": Checkpoint, "ControlNetLoader": Control}
