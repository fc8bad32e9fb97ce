"""The recipe's nodes at toy size, as most host tests set them."""

import pytest
import rig
import torch

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.nodes.inversion import DDIMInversion


def full_frame(model, kind="all frames", **more):
    return FullFrameAttention.execute(model, kind, **more).args[0]


def st_layout(model, mode="paper", self_strength=0.3, cross_strength=1.0, end_percent=1.0, power=5.0, **more):
    return STLayoutAttention.execute(
        model, mode, self_strength, cross_strength, end_percent, power=power, **more
    ).args[0]  # fmt: skip


def invert(model, prompt=None, frames=3, height=16, width=16, steps=4, scheduler="ddim_uniform", refinements=0, **more):
    """(noise as a LATENT, INVERSION, SIGMAS) of a random clip."""
    source = {"samples": rig.latent(frames, height, width)}
    return DDIMInversion.execute(model, prompt or rig.text(1), source, steps, scheduler, refinements, **more).args


def edit(model, start, positive=None, noise=False, steps=4, **more):
    """start: a LATENT, or its tensor. noise, more: as for `rig.sample`."""
    samples = start["samples"] if isinstance(start, dict) else start
    return rig.sample(model, positive or rig.text(2), rig.text(3), samples, noise, steps=steps, **more)


def fails(message, model, start, positive=None, **more):
    """`edit` is refused with such a message before the network is called."""
    with pytest.raises(ValueError, match=message):
        edit(rig.uncalled(model), start, positive, **more)


def close(ours, truth, plain):
    """The same as the truth, which is something else than the plain model."""
    assert rig.rms(ours - truth) < 2e-5 * rig.rms(truth)
    assert rig.rms(plain - truth) > 1e-3 * rig.rms(truth)


def encode(clip, prompt):
    return clip.encode_from_tokens_scheduled(clip.tokenize(prompt))


def half(frames=3, height=128, width=128):
    """The left half of every frame."""
    mask = torch.zeros(frames, height, width)
    mask[:, :, : width // 2] = 1
    return mask
