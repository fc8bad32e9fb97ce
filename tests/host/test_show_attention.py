"""Show Attention inside ComfyUI: what it shows is what the network does."""

from pathlib import Path

import comfy.model_management
import folder_paths
import pytest
import rig
import torch
from cases import variants
from einops import rearrange
from oracle import SIGMA, Oracle, bound, dense, lambdas, one_step, regions
from PIL import Image
from recipe import full_frame, invert

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.demo import DemoClip
from pack.nodes.inversion import DDIMInversion
from pack.nodes.regions import BindRegionPrompts, RegionPrompt
from pack.nodes.show import ShowAttention
from pack.nodes.source import InjectSourceFeatures
from pack.videograin.comfyui.wrappers import for_showing
from pack.videograin.core.phrase_tokens import KEY
from pack.videograin.features.attention_probe import Probe
from pack.videograin.jobs import demo_model
from pack.videograin.jobs.show_attention import Shower, ShowSettings, show_attention

pytestmark = pytest.mark.usefixtures("inference_mode")


# ---- a tiny network against a dense oracle --------------------------------------------------------------------------


class Recorder(Oracle):
    """The oracle, keeping the probabilities of one level: {(kind, which half): [before, after] sums over sites}."""

    def __init__(self, *args, rows):
        super().__init__(*args)
        self.rows, self.kept, self.count = rows, {}, 0

    def rows_of(self, which, extra):
        """Where a half stands in the batch; None if this level or call is not of interest."""
        wanted = extra["activations_shape"][-2] == self.rows and which in extra["cond_or_uncond"]
        start = extra["cond_or_uncond"].index(which) * self.frames if wanted else 0
        return slice(start, start + self.frames) if wanted else None

    def keep(self, kind, which, q, k, lam, positive, heads):
        identity = torch.eye(k.shape[1]).repeat(1, heads).expand(len(k), -1, -1)
        pair = [dense(q, k, identity, strength, positive, heads) for strength in (None, lam)]
        maps = torch.stack([rearrange(x, "b n (h m) -> h b n m", h=heads).mean(0) for x in pair])
        self.kept[kind, which] = self.kept.get((kind, which), 0) + maps

    def self_attention(self, q, k, v, extra):
        member, which = self.member(extra)[0], 1 if self.mode == "reference" else 0
        if rows := self.rows_of(which, extra):
            flat = member.flatten(1).T
            share_any, equal = (flat[:, None] & flat[None]).any(-1), (flat[:, None] == flat[None]).all(-1)
            lam = lambdas(self.model, self.mode, "self", member).view(1, -1)
            whole = (rearrange(x[rows], "f n d -> 1 (f n) d") for x in (q, k))
            pairs = share_any if self.mode == "reference" else equal
            self.keep("self", which, *whole, lam, pairs[None], extra["n_heads"])
        return super().self_attention(q, k, v, extra)

    def cross_attention(self, q, k, v, extra):
        member = self.member(extra)[0]
        if rows := self.rows_of(0, extra):
            self.count += 1
            positive = torch.einsum("kfn,kl->fnl", member.float(), self.tokens.float()) > 0
            lam = lambdas(self.model, self.mode, "cross", member)
            self.keep("cross", 0, q[rows], k[rows], lam, positive, extra["n_heads"])
        return super().cross_attention(q, k, v, extra)


def inverted(model, frames=3, height=16, width=16):
    """Two levels: SIGMA, and the clip."""
    levels = {"steps": 1, "scheduler": "normal", "sigmas": torch.tensor([SIGMA, 0.0])}
    return invert(full_frame(model), None, frames, height, width, **levels)[:2]


@pytest.mark.parametrize("separately", [False, True], ids=["batched", "separate"])
@pytest.mark.parametrize("mode", variants("paper", "reference"))
@pytest.mark.parametrize("level,height,width", variants(("1/2", 16, 24), ("1/4", 16, 16)))
def test_what_is_shown_equals_the_oracle(mode, level, height, width, separately, call_separately):
    """Every probability of every phrase and of three points, before and after, in the half that is modulated."""
    unet, frames, divisor = rig.random_unet(), 3, int(level[-1])
    if separately:
        call_separately(unet)
    grid = height // divisor, width // divisor
    areas = regions(frames, height, width)
    positive, negative = bound(rig.text(1), areas), rig.text(2)
    noise, inversion = inverted(unet, frames, height, width)
    ours = STLayoutAttention.execute(unet, mode, 0.3, 1.0, 0.3, power=5.0).args[0]
    points = [(3, 5, 0), (8 * width - 1, 8 * height - 1, 2), (50, 60, 1)]
    text = "; ".join(", ".join(map(str, point)) for point in points)
    clip = torch.rand(frames, height * 8, width * 8, 3)
    shown = show_attention(ours, inversion, positive, clip, ShowSettings(0.0, 1.0, 1, text, level, "all"), negative)

    oracle = Recorder(unet, mode, areas, positive[0][1][KEY].tokens, frames, height, rows=grid[0])
    one_step(oracle.patched(), positive, negative, noise["samples"])
    cross = oracle.kept["cross", 0] / oracle.count
    for column, tokens in zip(shown.phrases, oracle.tokens, strict=True):
        expected = cross[..., tokens].sum(-1).unflatten(-1, grid)
        assert (column.maps - expected).abs().max() < 1e-6 < (expected[0] - expected[1]).abs().max()
    rows = oracle.kept["self", 1 if mode == "reference" else 0][:, 0] / oracle.count
    for column, (x, y, frame) in zip(shown.points, points, strict=True):
        query = (frame * grid[0] + y // (8 * divisor)) * grid[1] + x // (8 * divisor)
        expected = rows[:, query].view(2, frames, *grid)
        assert (column.maps - expected).abs().max() < 1e-6 < (expected[0] - expected[1]).abs().max()
        assert torch.allclose(column.maps.sum((1, 2, 3)), torch.ones(2))


def test_looking_changes_nothing():
    unet = rig.random_unet()
    areas = regions(2, 16, 16)
    positive, negative = bound(rig.text(1), areas), rig.text(2)
    ours = STLayoutAttention.execute(unet, "paper", 0.3, 1.0, 0.3, power=5.0).args[0]
    shower = Shower(2, "all", [positive[0][1][KEY]], [(0, 3)], "positive")
    looked_at, x = for_showing(ours, Probe(shower)), rig.latent(2)
    assert torch.equal(one_step(looked_at, positive, negative, x), one_step(ours, positive, negative, x))
    assert shower.seen and shower.points.count == len(shower.sites)


def test_the_half_that_is_not_modulated_is_not_shown_silently(caplog):
    unet = rig.random_unet()
    positive, (_, inversion) = bound(rig.text(1), regions(3, 16, 16)), inverted(unet)
    ours = STLayoutAttention.execute(unet, "reference", 0.3, 1.0, 0.3, power=5.0).args[0]
    clip = torch.rand(3, 128, 128, 3)
    shown = show_attention(ours, inversion, positive, clip, ShowSettings(0.0, 1.0, 1, "", "1/2", "all"), None)
    assert all(torch.equal(*column.maps) for column in shown.points)
    assert not any(torch.equal(*column.maps) for column in shown.phrases)
    assert "Connect the negative prompt to Show Attention's `negative`" in caplog.text


# ---- the demo model -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def edit():
    """(the MODEL with ST-Layout, INVERSION, CONDITIONING, frames, CLIP, source prompt) of a demo edit."""
    model, clip, vae = demo_model.load()
    frames, left, right, caption, *_ = DemoClip.execute("wolf", "pig", "snow", 8, 1.0, 2).args
    frames, left, right = (part[:4] for part in (frames, left, right))
    model = FullFrameAttention.execute(model, "all frames").args[0]
    source = clip.encode_from_tokens_scheduled(clip.tokenize(caption))
    _, inversion, _ = DDIMInversion.execute(model, source, {"samples": vae.encode(frames)}, 8, "ddim_uniform", 0).args
    areas = RegionPrompt.execute(left, "a bear").args[0]
    areas = RegionPrompt.execute(right, "a frog", regions=areas).args[0]
    prompt = BindRegionPrompts.execute(clip, "a bear and a frog in the snow", areas).args[0]
    return (
        STLayoutAttention.execute(model, "default", 0.3, 1.0, 0.5, power=5.0).args[0],
        inversion,
        prompt,
        frames,
        clip,
        source,
    )


def show(edit, model=None, points="", steps=2, end=0.3, **more):
    ours, inversion, prompt, frames, *_ = edit
    return ShowAttention.execute(model or ours, inversion, prompt, frames, 0.0, end, steps, points, **more)


def test_modulation_brings_attention_into_the_regions(edit):
    """More of each phrase's attention lies in its region after than before, and of each region's middle too."""
    ours, inversion, prompt, frames, *_ = edit
    shown = show_attention(ours, inversion, prompt, frames, ShowSettings(0.0, 0.3, 2, "", "auto", "all"), None)
    assert (
        [column.name for column in shown.phrases]
        == [column.name for column in shown.points]
        == ['"a bear"', '"a frog"']
    )
    for column in shown.phrases:
        before, after = column.inside()
        assert after > 1.5 * before
    for column in shown.points:
        before, after = column.inside()
        assert after > before
    assert "Mean of 2 noise levels, 3 attention layers of 24×24 tokens and their heads." in shown.text


def test_the_node_gives_pictures_a_report_and_a_preview(edit):
    output = show(edit, points="52, 100, 0; 3, 3, 2; 150, 95, 1", size=128)
    phrases, points, text = output.args
    assert phrases.shape == (4, 28 + 2 * 128 + 4, 2 * 128 + 4, 3)
    assert points.shape == (4, 28 + 2 * 128 + 4, 3 * 128 + 8, 3)
    assert "(52, 100, 0), inside its region" in text and "  (3, 3, 2) at (3, 3, 2)\n" in text
    assert len(output.ui["images"]) == 8
    file = output.ui["images"][0]
    with Image.open(Path(folder_paths.get_temp_directory()) / file["subfolder"] / file["filename"]) as image:
        assert image.size == (260, 288)


def test_a_model_that_modulates_nothing_has_one_row(edit):
    _, inversion, prompt, frames, *_ = edit
    plain = FullFrameAttention.execute(demo_model.load()[0], "all frames").args[0]
    neutral = STLayoutAttention.execute(plain, "default", 0.0, 0.0, 0.5, power=5.0).args[0]
    args = (inversion, prompt, frames, ShowSettings(0.0, 0.3, 1, "", "auto", "all"), None)
    found = [show_attention(model, *args) for model in (plain, neutral)]
    for first, second in zip(*(shown.phrases + shown.points for shown in found), strict=True):
        assert len(first.maps) == 1 and torch.equal(first.maps, second.maps)
    assert show(edit, plain, size=128).args[0].shape[1] == 28 + 128


def test_steps_are_those_of_the_schedule(edit):
    """After ST-Layout's end nothing is modulated; a range between two levels takes the nearest one."""
    ours, inversion, prompt, frames, *_ = edit
    late = show_attention(ours, inversion, prompt, frames, ShowSettings(0.6, 1.0, 1, "", "auto", "all"), None)
    assert all(torch.equal(*column.maps) for column in late.phrases + late.points)
    between = show_attention(ours, inversion, prompt, frames, ShowSettings(0.3, 0.3, 5, "", "auto", "all"), None)
    assert "1 noise level," in between.text
    every = show_attention(ours, inversion, prompt, frames, ShowSettings(0.0, 1.0, 0, "", "auto", "decoder"), None)
    assert f"{len(inversion.sigmas) - 1} noise levels," in every.text


def test_what_else_acts_in_the_edit_is_seen_too(edit):
    """Injected queries and keys, not those of the edit alone; blending changes no attention and may be there."""
    ours, inversion, prompt, frames, _, source = edit
    args = (inversion, prompt, frames, ShowSettings(0.0, 0.3, 1, "", "auto", "decoder"), None)
    plain = show_attention(ours, *args)
    blended = show_attention(LatentBlend.execute(ours, "inversion", inversion).args[0], *args)
    injected = show_attention(InjectSourceFeatures.execute(ours, inversion, source, 0.2, 0.2).args[0], *args)
    assert torch.equal(plain.points[0].maps, blended.points[0].maps)
    assert (plain.points[0].maps - injected.points[0].maps).abs().max() > 1e-5


def test_cancelling_ends_it_and_the_next_run_works(edit, monkeypatch):
    real, calls = comfy.model_management.throw_exception_if_processing_interrupted, []

    def counting():
        calls.append(1)
        if len(calls) == 2:
            comfy.model_management.interrupt_current_processing(True)
        real()

    monkeypatch.setattr(comfy.model_management, "throw_exception_if_processing_interrupted", counting)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        show(edit, steps=8, end=1.0)
    assert len(calls) == 2
    assert len(show(edit, steps=1).args) == 3


# ---- messages -------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_said(edit):
    ours, inversion, prompt, frames, clip, source = edit

    def shown(model=ours, conditioning=prompt, images=frames, start=0.0, end=0.3, **more):
        return ShowAttention.execute(model, inversion, conditioning, images, start, end, 1, **more)

    with pytest.raises(ValueError, match="`frames` has 3 frames, but the inversion's clip has 4"):
        shown(images=frames[:3])
    with pytest.raises(ValueError, match=r"`start_percent` \(0.5\) lies after its `end_percent` \(0.3\)"):
        shown(start=0.5)
    with pytest.raises(ValueError, match=r"carries no phrases with regions\. Connect the CONDITIONING of Bind Region"):
        shown(conditioning=source)
    wordless = RegionPrompt.execute(torch.ones(1, 192, 192), "").args[0]
    with pytest.raises(ValueError, match="carries no phrases with regions"):
        shown(conditioning=BindRegionPrompts.execute(clip, "a bear", wordless).args[0])
    with pytest.raises(ValueError, match="limited to a part of the picture"):
        shown(conditioning=[[text, {**notes, "area": (8, 8, 0, 0)}] for text, notes in prompt])
    with pytest.raises(ValueError, match=r"three whole numbers, x, y and frame"):
        shown(points="5, 5")
    with pytest.raises(ValueError, match=r"no self-attention in the chosen blocks at 1/8.*Show Attention's `level`"):
        shown(level="1/8")
    other = FullFrameAttention.execute(demo_model.load()[0], "middle").args[0]
    with pytest.raises(ValueError, match='seeing "all frames", but Show Attention\'s `model` sees "middle"'):
        shown(other)
    with pytest.raises(
        ValueError, match="Show Attention looks at the whole clip, but its `model` runs in windows of 3"
    ):
        shown(rig.windowed(ours))


def test_a_step_cache_is_refused(edit):
    from comfy_extras.nodes_easycache import EasyCacheNode

    cached = EasyCacheNode.execute(edit[0], 0.2, 0.15, 0.95, False).args[0]
    with pytest.raises(ValueError, match=r"\(easycache\) is active on Show Attention's `model`"):
        show(edit, cached)
