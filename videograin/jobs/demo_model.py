"""The demo model as ComfyUI objects: a 12.2 M parameter text-to-image latent diffusion model, its autoencoder, and a
ControlNet for depth.

UNet, text encoder and ControlNet are ComfyUI's own classes at a small size; only the autoencoder's network is our own
(toybox/model.py). All go through ComfyUI's model management like any checkpoint. Nothing is kept between two calls of `load`.
"""

import logging
from pathlib import Path
from typing import ClassVar

import comfy.cldm.cldm
import comfy.controlnet
import comfy.latent_formats
import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models_base
import comfy.utils
import folder_paths
import torch
from comfy.taesd.taesd import TAESD
from torch import Tensor, nn

from ..toybox.model import (
    AUTOENCODER,
    CONTROL,
    FOLDER,
    PAINTER,
    TEXT,
    UNET,
    Autoencoder,
    embedding_table,
    whole_words,
)
from ..toybox.world import ACCESSORIES, OBJECTS

logger = logging.getLogger("videograin")


ops = comfy.ops.disable_weight_init  # layers that model management can load, offload and cast


def load(folder: str | Path = FOLDER) -> tuple[comfy.model_patcher.ModelPatcher, comfy.sd.CLIP, comfy.sd.VAE]:
    """MODEL, CLIP and VAE from a folder with both files, placed and typed by ComfyUI's own rules for this machine."""
    painter, autoencoder = Path(folder) / PAINTER, Path(folder) / AUTOENCODER
    return load_unet(painter), load_clip(painter), load_vae(autoencoder)


def read(path: str | Path, prefix: str) -> dict[str, Tensor]:
    """The tensors of one part of a file ("unet.", "text.", "vae." or "latent."), prefix removed."""
    state = comfy.utils.load_torch_file(str(path), safe_load=True)
    return comfy.utils.state_dict_prefix_replace(state, {prefix: ""}, filter_keys=True)


class DemoLatent(comfy.latent_formats.LatentFormat):
    """Latents are the encoder's output times `scale`; previews map the four channels to RGB by a least-squares fit."""

    def __init__(self, scale: Tensor, rgb_factors: Tensor, rgb_bias: Tensor):
        self.scale_factor = scale.item()
        self.latent_rgb_factors = rgb_factors.tolist()  # 4 × 3
        self.latent_rgb_factors_bias = rgb_bias.tolist()


class DemoConfig(comfy.supported_models_base.BASE):
    """SD's eps-prediction and beta schedule (both the base's defaults) around a UNet with three levels."""

    unet_config: ClassVar[dict] = UNET
    unet_extra_config: ClassVar[dict] = {"num_heads": -1, "num_head_channels": 32}
    memory_usage_factor = 0.25  # SD 1.5 is 1.0 with five times the channels

    def __init__(self, latent_format: DemoLatent):
        self.latent_format = lambda: latent_format  # the base's __init__ calls it: it expects a class
        super().__init__(self.unet_config)


def load_unet(path: str | Path, disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    """The MODEL. `disable_dynamic`: plain loading, asked for by ComfyUI when it rebuilds a model from its loader."""
    state = read(path, "unet.")
    config = DemoConfig(DemoLatent(**read(path, "latent.")))
    device = comfy.model_management.get_torch_device()
    dtype = comfy.model_management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(state),
        supported_dtypes=config.supported_inference_dtypes,
        weight_dtype=comfy.utils.weight_dtype(state),
    )
    cast = comfy.model_management.unet_manual_cast(dtype, device, config.supported_inference_dtypes)
    config.set_inference_dtype(dtype, cast)
    offload = comfy.model_management.unet_offload_device()
    model = config.get_model(state, device=offload)
    patcher = patcher_class(disable_dynamic)(model, load_device=device, offload_device=offload)
    model.load_model_weights(state, assign=patcher.is_dynamic())
    patcher.cached_patcher_init = (load_unet, (path,))
    return patcher


def patcher_class(disable_dynamic: bool) -> type[comfy.model_patcher.ModelPatcher]:
    return comfy.model_patcher.ModelPatcher if disable_dynamic else comfy.model_patcher.CoreModelPatcher


class DemoTokenizer(comfy.sd1_clip.SD1Tokenizer):
    """SD 1's tokenizer; textual-inversion embeddings of another width are dropped with core's warning."""

    def __init__(self, embedding_directory=None, tokenizer_data=None):
        super().__init__(embedding_directory, tokenizer_data or {})
        self.clip_l.embedding_size = TEXT["hidden_size"]


def vocabulary() -> dict[int, str]:
    """SD 1's tokens in writing, by number; of core's tokenizer, which alone knows in which of core's files they are."""
    return comfy.sd1_clip.SDTokenizer().inv_vocab


class DemoTextEncoder(comfy.sd1_clip.SDClipModel):
    def __init__(self, device="cpu", dtype=None, model_options=None):
        super().__init__(
            device=device,
            dtype=dtype,
            textmodel_json_config=TEXT,
            return_projected_pooled=False,
            model_options=model_options or {},
        )


class DemoClip(comfy.sd1_clip.SD1ClipModel):
    """Named "l" like SD 1's, so that prompt weights, long prompts, CLIP LoRAs and token tools find what they expect."""

    def __init__(self, device="cpu", dtype=None, model_options=None):
        super().__init__(device, dtype, model_options or {}, clip_name="l", clip_model=DemoTextEncoder)

    def encode_token_weights(self, token_weight_pairs):
        unknown = self.unknown(token_weight_pairs["l"])
        if unknown:
            logger.warning(
                "The demo model does not know %s: such a word draws nothing, or something else of the prompt. It knows %s.",
                ", ".join(f"“{word}”" for word in unknown), ", ".join((*OBJECTS, *ACCESSORIES)),
            )  # fmt: skip
        return super().encode_token_weights(token_weight_pairs)

    def unknown(self, chunks: list[list[tuple]]) -> list[str]:
        """The words of a tokenized text that no training caption had, in its order."""
        ids = [pair[0] for chunk in chunks for pair in chunk if isinstance(pair[0], int)]  # not learned embeddings
        known = self.clip_l.transformer.get_input_embeddings().weight[ids].any(1).tolist()
        pieces = vocabulary() if not all(known) else {}
        return whole_words(pieces[token] for token, seen in zip(ids, known, strict=True) if not seen)


def load_clip(path: str | Path, disable_dynamic: bool = False) -> comfy.sd.CLIP:
    """The CLIP. The file has the embeddings of the words in the training captions; all other tokens' are zero."""
    state = read(path, "text.")
    name = "embeddings.token_embedding.weight"
    state[name] = embedding_table(state.pop("vocabulary"), state.pop(name))
    state = {f"clip_l.transformer.text_model.{name}": tensor for name, tensor in state.items()}
    # CLIP's class has a projection for the pooled vector, which a UNet without vector conditioning never reads.
    state["clip_l.transformer.text_projection.weight"] = torch.eye(TEXT["hidden_size"], dtype=torch.float16)

    clip = comfy.sd.CLIP(
        comfy.supported_models_base.ClipTarget(DemoTokenizer, DemoClip),
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        parameters=comfy.utils.calculate_parameters(state),
        state_dict=state,
        disable_dynamic=disable_dynamic,
    )
    clip.patcher.cached_patcher_init = (load_clip_patcher, (path,))
    return clip


def load_clip_patcher(path: str | Path, disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    return load_clip(path, disable_dynamic).patcher


def load_vae(path: str | Path, disable_dynamic: bool = False) -> comfy.sd.VAE:
    """The VAE.

    `comfy.sd.VAE` chooses its network by recognising a state dict, and offers no way to hand it one. It is built as the
    smallest autoencoder it knows, also 8×, 4 channels, RGB in [-1, 1], which sets every attribute this version of
    ComfyUI wants; then the network and its patcher are exchanged.
    """
    vae = comfy.sd.VAE(sd=TAESD().state_dict())
    network = Autoencoder(ops).eval().requires_grad_(False).to(vae.vae_dtype)
    comfy.model_management.archive_model_dtypes(network)
    patcher = patcher_class(disable_dynamic)(
        network, load_device=vae.device, offload_device=comfy.model_management.vae_offload_device()
    )
    network.load_state_dict(read(path, "vae."), assign=patcher.is_dynamic())
    patcher.cached_patcher_init = (load_vae_patcher, (path,))
    vae.first_stage_model, vae.patcher, vae.size = network, patcher, None
    vae.model_size()
    # Bytes for one image. Activations peak at the 128-channel stage at a quarter of the side: about 128 values a pixel.
    vae.memory_used_encode = lambda shape, dtype: 128 * shape[2] * shape[3] * comfy.model_management.dtype_size(dtype)
    vae.memory_used_decode = lambda shape, dtype: (
        128 * 64 * shape[2] * shape[3] * comfy.model_management.dtype_size(dtype)
    )
    return vae


def load_vae_patcher(path: str | Path, disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    return load_vae(path, disable_dynamic).patcher


CONTROL_HEAD = 64  # channels: the width ComfyUI's own loader assumes for a ControlNet of an unknown size


def control_network(dtype: torch.dtype = torch.float32, operations: type = ops) -> nn.Module:
    """ComfyUI's own ControlNet class as its loader builds it for this UNet."""
    shape = {name: value for name, value in UNET.items() if name not in ("out_channels", "num_head_channels")}
    return comfy.cldm.cldm.ControlNet(
        **shape, hint_channels=3, num_head_channels=CONTROL_HEAD, dtype=dtype, operations=operations
    )


def load_control(path: str | Path = FOLDER / CONTROL) -> comfy.controlnet.ControlNet:
    """The CONTROL_NET. The stock Load ControlNet Model reads the file too, after an error line: it does not know the size."""
    state = comfy.utils.load_torch_file(str(path), safe_load=True)
    device = comfy.model_management.get_torch_device()
    dtype = comfy.model_management.unet_dtype(
        model_params=-1,
        supported_dtypes=DemoConfig.supported_inference_dtypes,
        weight_dtype=comfy.utils.weight_dtype(state),
    )
    cast = comfy.model_management.unet_manual_cast(dtype, device)
    network = control_network(dtype, comfy.ops.pick_operations(dtype, cast)).eval()
    network.load_state_dict(state)
    return comfy.controlnet.ControlNet(network, load_device=device, manual_cast_dtype=cast)
