"""Packs that put other rows into a call of the network than ComfyUI does: the exact result, or an error, and nothing between."""

import oracle as exact
import pytest
import rig
import torch
from compatibility import COMPOSED, REFUSED, claim
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from neighbour_calls import absolute, in_rows
from neighbours import prompts
from recipe import full_frame, st_layout

from pack.nodes.anchors import AnchorAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.source import InjectSourceFeatures
from pack.videograin.comfyui.frame_rows import in_order

FRAMES = 4
UNKNOWN = r"4 frames .* which row shows which frame cannot be known: another node \(ComfyUI-TiledDiffusion\).*`tile_batch_size` to 1"
NETWORK = rig.small_unet
pytestmark = pytest.mark.usefixtures("inference_mode")


def anchored(model):
    return AnchorAttention.execute(model, 2, "concat").args[0]


def step(model, **layout):
    """The guided x_0 of one step, of four frames of 16×16 cells."""
    positive, negative, x = prompts(FRAMES)
    return exact.one_step(in_rows(model, **layout) if layout else model, positive, negative, x)


@pytest.mark.parametrize(
    "across",
    [full_frame, lambda m: full_frame(m, "first + previous"), lambda m: full_frame(m, "own", clip_norm=True), anchored],
    ids=["all frames", "first + previous", "clip_norm", "anchors"],
)
@pytest.mark.parametrize("conds", [True, False], ids=["both prompts", "prompt by prompt"])
@claim("neighbour", "Tiled Diffusion, several tiles at once, with what looks across frames", REFUSED)
def test_several_tiles_at_once_are_refused_with_the_fix(unet, across, conds):
    with pytest.raises(ValueError, match=UNKNOWN) as told:
        step(across(unet), tiles=2, order=("tile", "cond", "frame"), conds=conds)
    assert not absolute(str(told.value))


@claim("neighbour", "Tiled Diffusion, several tiles at once, with what looks across frames", REFUSED)
def test_they_are_refused_in_the_inversion_and_with_the_sources_features(unet):
    source, tiles = {"samples": rig.latent(FRAMES)}, {"tiles": 2, "order": ("tile", "cond", "frame")}
    with pytest.raises(ValueError, match=UNKNOWN):
        DDIMInversion.execute(in_rows(full_frame(unet), **tiles), rig.text(1), source, 3, "ddim_uniform", 0)
    noise, inversion, _ = DDIMInversion.execute(unet, rig.text(1), source, 3, "ddim_uniform", 0).args
    injected = InjectSourceFeatures.execute(unet, inversion, rig.text(1), 1.0, 1.0).args[0]
    with pytest.raises(
        ValueError, match=r"another node \(ComfyUI-TiledDiffusion\) runs the MODEL in tiles.*source features"
    ):
        rig.sample(in_rows(injected, **tiles), rig.text(2), rig.text(3), noise["samples"])


@claim("neighbour", "Tiled Diffusion, one tile at a time, with Full-Frame Attention", COMPOSED)
def test_one_tile_at_a_time_is_a_smaller_picture(unet):
    """As the message's fix says; prompt by prompt, rolled before the cut, and as clean as an inversion begins."""
    positive, negative, x = prompts(FRAMES)
    x[:, :, :, :10] = 0.25  # nothing to tell places by
    for sigma in (12.0, 0.03):
        for layout in ({}, {"conds": False}, {"roll": 5}):
            model = in_rows(full_frame(unet), tiles=2, together=False, **layout)
            ours = exact.one_step(model, positive, negative, x, sigma=sigma)
            rolled = x.roll(layout.get("roll", 0), -1)
            parts = [
                exact.one_step(full_frame(unet), positive, negative, part, sigma=sigma) for part in rolled.chunk(2, -1)
            ]
            expected = torch.cat(parts, -1).roll(-layout.get("roll", 0), -1)
            assert rig.rms(ours - expected) < 1e-5 * rig.rms(expected)


def test_without_a_look_across_frames_any_rows_will_do(unet):
    noise, inversion, _ = DDIMInversion.execute(
        unet, rig.text(1), {"samples": rig.latent(FRAMES)}, 3, "ddim_uniform", 0
    ).args
    mask = torch.zeros(1, 128, 128)
    mask[:, :64] = 1
    blended = LatentBlend.execute(full_frame(unet, "own"), "inversion", inversion, mask=mask).args[0]
    ours, expected = (
        rig.sample(in_rows(blended, tiles=2, **layout), rig.text(2), rig.text(3), noise["samples"])
        for layout in ({"order": ("tile", "cond", "frame")}, {"together": False})
    )
    assert rig.rms(ours - expected) < 1e-5 * rig.rms(expected)


def grown(model, tokens):
    """With keys and values another patch appends to every frame's own."""
    if not tokens:
        return model

    def patch(n, context, value, extra):
        more = torch.randn(1, tokens, n.shape[-1], generator=torch.Generator().manual_seed(tokens))
        return n, *(torch.cat([t, more.expand(len(t), -1, -1)], 1) for t in (context, value))

    model = model.clone()
    model.set_model_attn1_patch(patch)
    return model


LAYOUTS = st.fixed_dictionaries(
    {
        "tiles": st.sampled_from([1, 2]),
        "order": st.permutations(["cond", "frame", "tile"]),
        "batch": st.sampled_from([None] * 5 + [1, 2, 3]),
        "conds": st.booleans(),
        "together": st.booleans(),
        "appended": st.sampled_from([0] * 8 + [1, 2, 4, 8]),
        "roll": st.sampled_from([0, 3]),
    }
)
ACROSS = {
    "all frames": full_frame,
    "first + previous": lambda m: full_frame(m, "first + previous"),
    "clip_norm": lambda m: full_frame(m, "own", clip_norm=True),
    "anchors": anchored,
    "ST-Layout": st_layout,
}


@claim("neighbour", "Rows of a call in another pack's own order, where frames cannot be told", REFUSED)
def test_no_rows_give_a_wrong_picture(unet):
    truths, met = {}, {"exact": 0, "refused": 0}

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(LAYOUTS, st.sampled_from(sorted(ACROSS)), st.sampled_from([0, 3]))
    def holds(layout, across, keys):
        model = grown(ACROSS[across](unet), keys)
        whole = across, keys, layout["tiles"], layout["roll"]
        if whole not in truths and (layout["tiles"] == 1 or across != "ST-Layout"):
            # A tile after the other, all its frames at once, in ComfyUI's own order: nothing to mistake.
            shown = {"tiles": layout["tiles"], "together": False, "roll": layout["roll"]}
            truths[whole] = step(model, **shown) if layout["tiles"] > 1 or layout["roll"] else step(model)
        try:
            ours = step(model, **layout)
        except ValueError as error:
            assert "cannot be known" in str(error) or "in tiles" in str(error), error
            met["refused"] += 1
        else:
            assert rig.rms(ours - truths[whole]) < 1e-5 * rig.rms(truths[whole]), (layout, across, keys)
            met["exact"] += 1

    holds()
    assert min(met.values()) >= 5, met


@pytest.mark.once
def test_rounded_frames_in_another_order_are_seen():
    frames = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for rounded in (frames, frames.half().float(), frames.bfloat16().float()):
        assert in_order(rounded, frames) and not in_order(rounded.flip(0), frames)
    assert in_order(torch.randn(3, 4, 8, 8), frames)  # what is no frame at all: a reference picture's own pass
