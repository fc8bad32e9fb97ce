"""Two nodes of ComfyUI-AnimateDiff-Evolved, for tests and for making workflows where that pack is not.

ComfyUI loads this file as a custom node pack. Ids, inputs and what happens to a MODEL are those of version 1.5.7
(d8d163c): layers in the network while it is loaded, windows around a prediction, the module's noise levels. The layers'
weights are random, whatever file is chosen.
"""

from functools import partial
from pathlib import Path
from typing import ClassVar

import comfy.model_base
import comfy.patcher_extension
import comfy.samplers
import folder_paths
import torch
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock
from einops import rearrange
from torch import nn

KEY = "ADE"
FOLDER = "animatediff_models"
AUTO, EXISTING, OWN = "autoselect", "use existing", "sqrt_linear (AnimateDiff)"
SHARE = {"default": 0.0, "min": 0.0, "max": 1.0, "step": 0.001}
FUSED = ["pyramid", "relative", "flat", "overlap-linear"]

folder = Path(folder_paths.models_dir) / FOLDER
folder.mkdir(parents=True, exist_ok=True)
folder_paths.add_model_folder_path(FOLDER, str(folder))


# ---- layers ---------------------------------------------------------------------------------------------------------


class MotionLayer(nn.Module):
    """Attention along time at every pixel."""

    def __init__(self, channels: int):
        super().__init__()
        generator = torch.Generator().manual_seed(channels)
        self.weight = nn.Parameter(torch.randn(3, channels, channels, generator=generator) / (2 * channels**0.5), False)

    def forward(self, x, frames):
        tokens = rearrange(x, "(c f) d h w -> (c h w) f d", f=frames)
        q, k, v = (tokens @ weight for weight in self.weight)
        moved = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v
        back = rearrange(moved, "(c h w) f d -> (c f) d h w", c=len(x) // frames, h=x.shape[2])
        return x + 0.5 * back


def with_layers(model):
    """The MODEL with a layer behind each block's attention, or its ResBlock where it has none."""
    network, model = model.model.diffusion_model, model.clone()
    blocks = [block for block in [*network.input_blocks, *network.output_blocks] if isinstance(block[0], ResBlock)]
    layers = [MotionLayer(block[0].out_channels) for block in blocks]

    def inject(patcher):
        for block, layer in zip(blocks, layers, strict=True):
            attention = [place for place, part in enumerate(block) if isinstance(part, SpatialTransformer)]
            block.insert(max(attention, default=0) + 1, layer)

    def eject(patcher):
        for block, layer in zip(blocks, layers, strict=True):
            del block[list(block).index(layer)]

    def call(layer, x, emb, context, options, *rest):
        return layer(x, len(x) // len(options["cond_or_uncond"]))

    model.set_injections(KEY, [comfy.patcher_extension.PatcherInjection(inject=inject, eject=eject)])
    model.set_model_patch((MotionLayer, call), "forward_timestep_embed_patch")
    return model


# ---- windows --------------------------------------------------------------------------------------------------------


def windows(total: int, length: int, overlap: int) -> list[list[int]]:
    """The frames of each window; the last is moved back to be as long as the others."""
    if total <= length:
        return [list(range(total))]
    starts = range(0, total - length, length - overlap)
    return [list(range(start, start + length)) for start in (*starts, total - length)]


def pyramid(length: int) -> torch.Tensor:
    """Weights of a window's frames, (length, 1, 1, 1)."""
    return torch.tensor([min(i + 1, length - i) for i in range(length)], dtype=torch.float32).view(-1, 1, 1, 1)


def with_windows(model, length: int, overlap: int):
    """The MODEL with a CALC_COND_BATCH wrapper that says in `ad_params` which frames a call holds.

    `ad_params` come from a sampling function of its own, in the place of core's while a run lasts.
    """

    def evolved(ordinary, model, x, timestep, uncond, cond, scale, model_options, **more):
        options = {**model_options["transformer_options"], "ad_params": {"full_length": len(x), "sub_idxs": None}}
        return ordinary(
            model, x, timestep, uncond, cond, scale, {**model_options, "transformer_options": options}, **more
        )

    def outer(executor, *args, **kwargs):
        ordinary = comfy.samplers.sampling_function
        comfy.samplers.sampling_function = partial(evolved, ordinary)
        try:
            return executor(*args, **kwargs)
        finally:
            comfy.samplers.sampling_function = ordinary

    def slide(executor, network, conds, x, timestep, model_options):
        sums, counts = [torch.zeros_like(x) for _ in conds], x.new_zeros(len(x), 1, 1, 1)
        shown = model_options["transformer_options"]["ad_params"]
        for frames in windows(len(x), length, overlap):
            shown |= {"context_length": len(frames), "sub_idxs": frames}
            weights = pyramid(len(frames)).to(x)
            for out, part in zip(
                sums, executor(network, conds, x[frames], timestep[frames], model_options), strict=True
            ):
                out[frames] += part * weights
            counts[frames] += weights
        return [out / counts for out in sums]

    model = model.clone()
    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.OUTER_SAMPLE, KEY, outer)
    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.CALC_COND_BATCH, KEY, slide)
    return model


# ---- nodes ----------------------------------------------------------------------------------------------------------


class AnimateDiffLoader:
    RETURN_TYPES = ("MODEL",)
    FUNCTION = "load"
    CATEGORY = "Animate Diff"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL",),
                "model_name": (folder_paths.get_filename_list(FOLDER),),
                "beta_schedule": ([AUTO, EXISTING, OWN], {"default": AUTO}),
            },
            "optional": {
                "context_options": ("CONTEXT_OPTIONS",),
                "motion_lora": ("MOTION_LORA",),
                "ad_settings": ("AD_SETTINGS",),
                "ad_keyframes": ("AD_KEYFRAMES",),
                "sample_settings": ("SAMPLE_SETTINGS",),
                "scale_multival": ("MULTIVAL",),
                "effect_multival": ("MULTIVAL",),
                "per_block": ("PER_BLOCK",),
            },
        }

    def load(self, model, model_name, beta_schedule, context_options=None):
        model = with_layers(model)
        if context_options:
            model = with_windows(model, *context_options)
        if beta_schedule != EXISTING:
            model.add_object_patch("model_sampling", noise_levels(model))
        return (model,)


def noise_levels(model):
    """Those that motion modules were trained on: betas on a line."""

    class Config:
        sampling_settings: ClassVar[dict] = {"beta_schedule": "sqrt_linear"}

    return comfy.model_base.model_sampling(Config(), model.model.model_type)


class ContextOptions:
    RETURN_TYPES = ("CONTEXT_OPTIONS",)
    RETURN_NAMES = ("CONTEXT_OPTS",)
    FUNCTION = "options"
    CATEGORY = "Animate Diff"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "context_length": ("INT", {"default": 16, "min": 1, "max": 128}),
                "context_overlap": ("INT", {"default": 4, "min": 0, "max": 128}),
            },
            "optional": {
                "fuse_method": (FUSED,),
                "use_on_equal_length": ("BOOLEAN", {"default": False}),
                "start_percent": ("FLOAT", SHARE),
                "guarantee_steps": ("INT", {"default": 1, "min": 0, "max": 2**53 - 1}),
                "prev_context": ("CONTEXT_OPTIONS",),
                "view_opts": ("VIEW_OPTS",),
            },
        }

    def options(self, context_length, context_overlap, **_):
        return ((context_length, context_overlap),)


NODE_CLASS_MAPPINGS = {
    "ADE_AnimateDiffLoaderGen1": AnimateDiffLoader,
    "ADE_StandardStaticContextOptions": ContextOptions,
}
