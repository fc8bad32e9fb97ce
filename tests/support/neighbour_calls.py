"""Stand-ins for packs that change what the network is called with, or how often, the way each real one does."""

import sys
from contextlib import contextmanager
from types import MethodType, ModuleType, SimpleNamespace

import comfy.ops
import comfy.samplers
import folder_paths
import torch
import torch.nn.functional as F
from comfy.ldm.modules.attention import BasicTransformerBlock, optimized_attention
from comfy.patcher_extension import WrappersMP
from einops import rearrange


def of_pack(thing, pack="ComfyUI-Some.Pack", module="src.nodes"):
    """A function or class as ComfyUI's loader leaves a pack's own: its module is named by an absolute path."""
    folder = f"{folder_paths.get_folder_paths('custom_nodes')[0]}/{pack}"
    name = f"{folder.replace('.', '_x_')}.{module}"
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__file__ = f"{folder}/{module.replace('.', '/')}.py"
    thing.__module__ = name
    return thing


def absolute(text):
    """Whether a message has an absolute path in it."""
    return any(f"{folder}/" in text for folder in folder_paths.get_folder_paths("custom_nodes"))


# ---- rows of a call -------------------------------------------------------------------------------------------------


class Rows:
    """A wrapper around the model that shows it (prompt, frame, tile) rows in an order and in batches of its own.

    tiles: parts of the picture's width. order: which of "cond", "frame", "tile" is outermost. batch: frames a call.
    together: prompts, and tiles, in one call. appended: rows of the first frame after all others, as a reference.
    roll: cells the picture is rolled by before it is cut.
    """

    def __init__(
        self, tiles=1, order=("cond", "frame", "tile"), batch=None, conds=True, together=True, appended=0, roll=0
    ):
        self.tiles, self.order, self.batch, self.conds = tiles, order, batch, conds
        self.together, self.appended, self.roll = together, appended, roll

    def __call__(self, apply, args):
        x, c, prompts = args["input"], args["c"], len(args["cond_or_uncond"])
        frames, out = len(x) // prompts, torch.empty_like(args["input"])
        x = x.roll(self.roll, -1)
        width = x.shape[-1] // self.tiles
        for conds in [range(prompts)] if self.conds else [[i] for i in range(prompts)]:
            for tiles in [range(self.tiles)] if self.together else [[i] for i in range(self.tiles)]:
                for first in range(0, frames, self.batch or frames):
                    axes = {
                        "cond": conds,
                        "tile": tiles,
                        "frame": range(first, min(first + (self.batch or frames), frames)),
                    }
                    found = [{}]
                    for axis in self.order:
                        found = [{**row, axis: i} for row in found for i in axes[axis]]
                    found += found[:1] * self.appended
                    picked = [row["cond"] * frames + row["frame"] for row in found]
                    cut = [slice(row["tile"] * width, (row["tile"] + 1) * width) for row in found]
                    shown = torch.stack([x[i, ..., part] for i, part in zip(picked, cut, strict=True)])
                    told = c["transformer_options"].copy()
                    for name in ("uuids", "cond_or_uncond"):
                        told[name] = [told[name][i] for i in conds]
                    part = {**c, "c_crossattn": c["c_crossattn"][picked], "transformer_options": told}
                    result = apply(shown, args["timestep"][picked], **part)
                    for row, (i, where) in enumerate(zip(picked, cut, strict=True)):
                        if row < len(found) - self.appended:
                            out[i, ..., where] = result[row]
        return out.roll(-self.roll, -1)


def in_rows(model, **layout):
    model = model.clone()
    model.set_model_unet_function_wrapper(of_pack(Rows, "ComfyUI-TiledDiffusion", "tiled_diffusion")(**layout))
    return model


# ---- blocks of a pack's own -----------------------------------------------------------------------------------------


class Reference:
    """Advanced-ControlNet's Reference: a block forward of its own, whose self-attention sees a reference's tokens too.

    It hands a replacement no attn_precision, and with `fidelity` calls it again with the negative rows alone.
    """

    def __init__(self, fidelity=0.0):
        self.fidelity = fidelity

    def tokens(self, n):
        """The reference's, of every row."""
        generator = torch.Generator().manual_seed(n.shape[-1])
        return torch.randn(1, *n.shape[1:], generator=generator).expand(len(n), -1, -1)

    def forward(self, block, x, context=None, transformer_options={}):  # noqa: B006, as the network's own
        extra = {k: v for k, v in transformer_options.items() if k not in ("patches", "patches_replace")}
        extra |= {"n_heads": block.n_heads, "dim_head": block.d_head}
        place = (*transformer_options["block"], transformer_options["block_index"])
        replace = {kind: (transformer_options.get("patches_replace", {}).get(kind, {})) for kind in ("attn1", "attn2")}
        replace = {kind: found.get(place, found.get(place[:2], self.plain)) for kind, found in replace.items()}

        def attend(layer, kind, q, kv):
            return layer.to_out(replace[kind](layer.to_q(q), layer.to_k(kv), layer.to_v(kv), extra))

        n = block.norm1(x)
        out = attend(block.attn1, "attn1", n, torch.cat([n, self.tokens(n)], 1))
        sides = extra["cond_or_uncond"]
        negative = torch.tensor(sides).repeat_interleave(len(x) // len(sides)) == 1
        if self.fidelity and negative.any():
            alone = out.clone()
            alone[negative] = attend(block.attn1, "attn1", n[negative], n[negative])
            out = self.fidelity * alone + (1 - self.fidelity) * out
        x = x + out
        x = x + attend(block.attn2, "attn2", block.norm2(x), context)
        return x + block.ff(block.norm3(x))

    @staticmethod
    def plain(q, k, v, extra):
        return optimized_attention(q, k, v, extra["n_heads"])

    def on(self, model):
        """The MODEL with the forward on its blocks while the network is called."""
        blocks = [m for m in model.model.diffusion_model.modules() if isinstance(m, BasicTransformerBlock)]

        def wrapper(executor, *args, **kwargs):
            for block in blocks:
                block.forward = MethodType(lambda block, *a, **k: self.forward(block, *a, **k), block)
            try:
                return executor(*args, **kwargs)
            finally:
                for block in blocks:
                    del block.forward

        model = model.clone()
        model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "ACN", wrapper)
        return model


# ---- AnimateDiff-Evolved --------------------------------------------------------------------------------------------


def norm_over_frames(model, frames=3):
    """Its v1 motion modules': GroupNorm over the frames of a call, while the network is called."""
    kind = comfy.ops.disable_weight_init.GroupNorm

    def forward(self, x):
        chunks = len(x) // frames
        joined = rearrange(x, "(c f) ch h w -> c ch f h w", c=chunks)
        return rearrange(
            F.group_norm(joined, self.num_groups, self.weight, self.bias, self.eps), "c ch f h w -> (c f) ch h w"
        )

    @contextmanager
    def injected():
        ordinary, kind.forward = kind.forward, forward
        try:
            yield
        finally:
            kind.forward = ordinary

    def wrapper(executor, *args, **kwargs):
        with injected():
            return executor(*args, **kwargs)

    def outer(executor, *args, **kwargs):
        guider = executor.class_obj
        before = guider.model_options
        guider.model_options = comfy.model_patcher.create_model_options_clone(before)
        comfy.patcher_extension.add_wrapper_with_key(
            WrappersMP.DIFFUSION_MODEL,
            "ADE_groupnormed_diffusion_model",
            of_pack(wrapper, "ComfyUI-AnimateDiff-Evolved", "animatediff.sampling"),
            guider.model_options,
            is_model_options=True,
        )
        try:
            return executor(*args, **kwargs)
        finally:
            guider.model_options = before

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "ADE", outer)
    return model


def sampled_twice(model, declared=True):
    """Its Iteration Options: the sampler again, from its own result. declared: on the MODEL, as they are."""

    def twice(executor, noise, latent, *args, **kwargs):
        return executor(noise, executor(noise, latent, *args, **kwargs), *args, **kwargs)

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "ADE", twice)
    if declared:
        options = SimpleNamespace(iterations=2)
        model.set_attachments("ADE_sample_settings", SimpleNamespace(iteration_opts=options))
    return model


# ---- attention couple as a replacement ------------------------------------------------------------------------------


def couple_by_replacement(model, left, right):
    """attention-couple-ComfyUI: cross-attention replaced by two texts', each in one half of the picture's width."""
    model = model.clone()

    def replacement(layer):
        def attend(q, k, v, extra):
            chunks = q.chunk(len(extra["cond_or_uncond"]))
            wide = extra["activations_shape"][-1]
            half = (torch.arange(chunks[0].shape[1]) % wide < wide // 2)[None, :, None]
            out = []
            for rows in chunks:
                texts = ([text[0][0].expand(len(rows), -1, -1)] for text in (left, right))
                a, b = (optimized_attention(rows, layer.to_k(t), layer.to_v(t), extra["n_heads"]) for (t,) in texts)
                out.append(torch.where(half, a, b))
            return torch.cat(out)

        return of_pack(attend, "attention-couple-ComfyUI", "attention_couple")

    network = model.model.diffusion_model
    groups = {"input": network.input_blocks, "middle": [network.middle_block], "output": network.output_blocks}
    for group, blocks in groups.items():
        for number, block in enumerate(blocks):
            for transformer in (m for m in block.modules() if isinstance(m, BasicTransformerBlock)):
                model.set_model_attn2_replace(replacement(transformer.attn2), group, number)
    return model
