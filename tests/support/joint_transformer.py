"""A family of models that the pack does not know: a video transformer over all tokens of a clip, under flow noise.

The network is called as ComfyUI's video models are: 5-D latents, attention by `optimized_attention` with the
transformer options, no replacement patches. `Joint` is all that the engine needs to work with it.
"""

from contextlib import ExitStack, contextmanager

import comfy.latent_formats
import comfy.model_base
import comfy.model_patcher
import comfy.supported_models_base
import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.patcher_extension import WrapperExecutor, WrappersMP, get_all_wrappers
from einops import rearrange
from torch import nn

from pack.videograin.backbones.base import Backbone, Layer, Need
from pack.videograin.core.cross_frame import ALL
from pack.videograin.core.noise_path import FLOW

CHANNELS, WIDTH, HEADS, TEXT = 4, 16, 2, 24


class Attention(nn.Module):
    def __init__(self, source: int):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(WIDTH, WIDTH), nn.Linear(source, WIDTH), nn.Linear(source, WIDTH)

    def forward(self, x, source, options):
        q, k, v = self.q(x), self.k(source), self.v(source)
        return optimized_attention(q, k, v, heads=HEADS, transformer_options=options)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.over_clip, self.over_text = Attention(WIDTH), Attention(TEXT)


class JointTransformer(nn.Module):
    def __init__(self, dtype=None, depth=2, **core_s):
        super().__init__()
        self.dtype = dtype or torch.float32
        self.enter, self.leave = nn.Linear(CHANNELS, WIDTH), nn.Linear(WIDTH, CHANNELS)
        self.blocks = nn.ModuleList(Block() for _ in range(depth))

    def forward(self, x, timestep, context=None, transformer_options=None, **kwargs):
        wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, transformer_options)
        executor = WrapperExecutor.new_class_executor(self._forward, self, wrappers)
        return executor.execute(x, timestep, context, transformer_options)

    def _forward(self, x, timestep, context, transformer_options):
        frames, height, width = x.shape[2:]
        tokens = self.enter(rearrange(x, "b c f h w -> b (f h w) c")) + timestep[:, None, None] / 1000
        for block in self.blocks:
            tokens = tokens + block.over_clip(tokens, tokens, transformer_options)
            tokens = tokens + block.over_text(tokens, context, transformer_options)
        return rearrange(self.leave(tokens), "b (f h w) c -> b c f h w", f=frames, h=height, w=width)


class Format(comfy.latent_formats.LatentFormat):
    latent_channels, latent_dimensions, scale_factor = CHANNELS, 3, 1.0


class Config(comfy.supported_models_base.BASE):
    latent_format = Format


def model() -> comfy.model_patcher.ModelPatcher:
    """A MODEL of this family with random weights."""
    config = Config({"dtype": torch.float32})
    config.set_inference_dtype(torch.float32, None)
    kind = comfy.model_base.ModelType.FLOW
    found = comfy.model_base.BaseModel(config, kind, device="cpu", unet_model=JointTransformer)
    generator = torch.Generator().manual_seed(0)
    for weight in found.requires_grad_(False).parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.25
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(found, load_device=cpu, offload_device=cpu)


class Joint(Backbone):
    name = "toy video transformer"
    members = "toy video transformers"
    offers = frozenset({Need.CROSS_ATTENTION})
    dimensions = ("clips", "channels", "frames", "height", "width")
    own_key_set = ALL
    path = FLOW

    def matches(self, network):
        return type(network).__name__ == "JointTransformer"

    def on_latent(self, frames):
        return frames.movedim(0, 1)[None]

    def sites(self, network):
        return {("block", number, 0): 1 for number in range(len(network.blocks))}

    def channels(self, network):
        return WIDTH

    def widths(self, network):
        return dict.fromkeys(self.sites(network), WIDTH)

    def frames_of(self, x, conds):
        return x.shape[2], len(x) == conds

    def clip(self, x, number, frames):
        return x[number].movedim(0, 1)

    def rows(self, conds, frames, tokens):
        return conds, frames * tokens

    def split(self, x, conds, frames):
        return rearrange(x, "c (f n) d -> c f n d", f=frames)

    def split_text(self, x, conds, frames):
        return x[:, None].expand(-1, frames, -1, -1)

    def joined(self, x):
        return rearrange(x, "c f n d -> c (f n) d")

    def level(self, height, rows):
        return 1

    @contextmanager
    def attached(self, engine, network, options):
        at = []

        def attend(attention, q, k, v, heads, **rest):
            kind, number = at[-1]
            if kind not in engine.kinds:
                return attention(q, k, v, heads, **rest)
            return engine.kinds[kind](Layer(("block", number, 0), engine.size, heads, None, None), q, k, v)

        with ExitStack() as hooks:
            for number, block in enumerate(network.blocks):
                for kind, module in (("attn1", block.over_clip), ("attn2", block.over_text)):
                    hook = module.register_forward_pre_hook(lambda *_, site=(kind, number): at.append(site))
                    hooks.callback(hook.remove)
            yield {**options, "optimized_attention_override": attend}
