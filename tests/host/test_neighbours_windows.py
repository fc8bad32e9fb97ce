"""Long clips in windows, core's and AnimateDiff-Evolved's: each window against the same frames run alone."""

import inspect

import comfy.model_management
import nodes as host
import oracle as exact
import pytest
import rig
import torch
from compatibility import COMPOSED, claim
from fused import cross_fused, self_fused
from neighbours import assert_composes, prompts, window_by_window
from placed import PROMPT, encoded, placed
from recipe import half, st_layout

from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.source import InjectSourceFeatures
from pack.tools.animatediff_stand_in import with_layers, with_windows

pytestmark = pytest.mark.usefixtures("inference_mode")


def causal_fix(on):
    """The node's input, by default on where it is there."""
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode

    if "causal_window_fix" in inspect.signature(ContextWindowsManualNode.execute).parameters:
        return {"causal_window_fix": on}
    if on:
        pytest.skip("its Context Windows have no causal_window_fix")
    return {}


CAUSAL = pytest.mark.parametrize(
    "on, anchors",
    [
        pytest.param(True, ([], [1]), marks=claim("neighbour", "Context Windows, causal fix on", COMPOSED)),
        pytest.param(False, ([], []), marks=claim("neighbour", "Context Windows, causal fix off", COMPOSED)),
    ],
    ids=["fix on", "fix off"],
)


def bright(frames):
    """Hints that a random ControlNet tells apart."""
    return torch.randn(frames, 128, 128, 3, generator=torch.Generator().manual_seed(frames)) * 300


def sliding_windows(model):
    """As AnimateDiff-Evolved has them: 3 frames, 1 of them the last window's."""
    return with_windows(model, 3, 1)


def plain_step(model, positive, negative, x, hints):
    return exact.one_step(model, positive, negative, x)


@CAUSAL
def test_cores_context_windows(unet, on, anchors):
    positive, negative, x = prompts(5)
    expected = window_by_window(unet, positive, negative, x, anchors, plain_step)
    options = causal_fix(on)
    assert_composes(lambda model: rig.windowed(model, **options), unet, positive, negative, x, expected)


@pytest.mark.parametrize(
    "on, anchors",
    [
        pytest.param(
            on, anchors, marks=claim("neighbour", f"ControlNet in Context Windows, causal fix {name}", COMPOSED)
        )
        for on, anchors, name in ((True, ([], [1]), "on"), (False, ([], []), "off"))
    ],
    ids=["fix on", "fix off"],
)
def test_each_window_is_shown_the_hints_of_its_frames(unet, on, anchors):
    """Core gives every window the clip's first hints. A second ControlNet in the chain has one hint for all frames."""
    options = causal_fix(on)
    positive, negative, x = prompts(5)
    hints, single = (bright(n) for n in (5, 1))
    nets = rig.controlnet(), rig.controlnet()

    def guided(positive, negative, hints):
        apply = host.ControlNetApplyAdvanced().apply_controlnet
        positive, negative = apply(positive, negative, nets[1], single, 0.7, 0.0, 1.0)
        return apply(positive, negative, nets[0], hints, 1.0, 0.0, 1.0)

    def step(model, positive, negative, x, hints):
        return exact.one_step(model, *guided(positive, negative, hints), x)

    expected = window_by_window(unet, positive, negative, x, anchors, step, hints)
    model = rig.windowed(st_layout(unet), **options)
    for _ in range(2):  # nothing is left on the ControlNet
        ours = step(model, positive, negative, x, hints)
        assert rig.rms(ours - expected) < 2e-5 * rig.rms(expected)
    assert rig.rms(step(model, positive, negative, x, hints[:3]) - expected) > 1e-3 * rig.rms(expected)


def test_hints_are_those_of_the_window_at_every_step(unet):
    """Per-frame attention: a frame's result does not depend on its window, so windows change nothing at all."""
    hints = bright(5)
    prompt = host.ControlNetApplyAdvanced().apply_controlnet(
        rig.text(1), rig.text(2), rig.controlnet(), hints, 1.0, 0.0, 1.0
    )
    own = FullFrameAttention.execute(unet, "own").args[0]
    whole, windows = (rig.sample(model, *prompt, rig.latent(5), True) for model in (own, rig.windowed(own)))
    assert rig.rms(whole - windows) < 1e-5 * rig.rms(whole)
    source = {"samples": rig.latent(5)}
    whole, windows = (
        DDIMInversion.execute(model, prompt[0], source, 3, "ddim_uniform", 0).args[0]["samples"]
        for model in (own, rig.windowed(own))
    )
    assert rig.rms(whole - windows) < 1e-5 * rig.rms(whole)


@claim("neighbour", "AnimateDiff-Evolved windows", COMPOSED)
def test_animatediffs_windows(unet):
    positive, negative, x = prompts(5)
    expected = window_by_window(unet, positive, negative, x, ([], []), plain_step)
    assert_composes(sliding_windows, unet, positive, negative, x, expected)


@claim("neighbour", "AnimateDiff-Evolved motion modules", COMPOSED)
def test_motion_modules(unet):
    assert_composes(with_layers, unet, *prompts())


@claim("neighbour", "AnimateDiff-Evolved motion modules", COMPOSED)
def test_motion_modules_are_not_another_model(unet):
    """They are in the network only while it is loaded: an inversion stays that of the same model when it is not."""
    model = FullFrameAttention.execute(with_layers(unet), "all frames").args[0]
    noise, inversion, _ = DDIMInversion.execute(model, rig.text(1), {"samples": rig.latent()}, 3, "normal", 1).args
    plain = DDIMInversion.execute(unet, rig.text(1), {"samples": rig.latent()}, 3, "normal", 1).args[0]
    assert rig.rms(noise["samples"] - plain["samples"]) > 1e-3 * rig.rms(plain["samples"])
    mask = torch.zeros(1, 128, 128)
    mask[:, :64] = 1
    blended = LatentBlend.execute(model, "inversion", inversion, mask=mask).args[0]
    prompt = rig.text(2), rig.text(3), noise["samples"]
    loaded = rig.sample(blended, *prompt, scheduler="normal")
    comfy.model_management.unload_all_models()
    assert torch.equal(rig.sample(blended, *prompt, scheduler="normal"), loaded)
    assert len(unet.model.diffusion_model.input_blocks[1]) in (2, 3)


@claim("neighbour", "AnimateDiff-Evolved windows with source features, fusion and Place Objects", COMPOSED)
def test_looks_of_our_own_go_through_animatediffs_windows(unet, clip):
    """Its sampling function prepares the windows. Core's, of the same frames and weights, are the truth."""
    source, words = {"samples": rig.latent(5)}, (PROMPT, "a cat and a dog on snow")
    prompt, positive, negative = (encoded(clip, text) for text in (*words, ""))
    full = FullFrameAttention.execute(unet, "all frames").args[0]
    noise, inversion, _ = DDIMInversion.execute(
        rig.windowed(full, **causal_fix(False)), prompt, source, 2, "ddim_uniform", 0
    ).args
    nodes = {
        "features": lambda m: InjectSourceFeatures.execute(m, inversion, prompt, 1.0, 1.0).args[0],
        "self": lambda m: self_fused(m, inversion, prompt=prompt),
        "cross": lambda m: cross_fused(m, inversion, clip, prompt=prompt, texts=words),
        "placed": lambda m: placed(m, clip, mask=half(5), prompt=words[1]),
    }
    plain = rig.sample(sliding_windows(full), positive, negative, noise["samples"], steps=2)
    for node in nodes.values():
        expected = rig.sample(
            rig.windowed(node(full), **causal_fix(False)), positive, negative, noise["samples"], steps=2
        )
        for model in (sliding_windows(node(full)), node(sliding_windows(full))):
            ours = rig.sample(model, positive, negative, noise["samples"], steps=2)
            assert rig.rms(ours - expected) < 1e-5 * rig.rms(expected)
        assert rig.rms(ours - plain) > 1e-3 * rig.rms(plain)
