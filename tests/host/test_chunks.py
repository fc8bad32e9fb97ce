"""Edit in Chunks: equal to the whole clip, constant memory, counted model calls, what it refuses."""

import gc
from functools import partial
from types import SimpleNamespace

import comfy.sample
import comfy.samplers
import comfy.utils
import nodes as host
import pytest
import rig
import torch
from cases import variants
from chunked import SIDE, STEPS, alike, areas, clip, edited, hinted, prompts, rows, st_layout
from oracle import bound

from pack.nodes.anchors import AnchorAttention
from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.fusion import SelfAttentionFusion
from pack.nodes.inversion import DDIMInversion
from pack.nodes.motion import FlowGuidedAttention
from pack.nodes.track import TrackRegions
from pack.videograin.comfyui.context_windows import sliced
from pack.videograin.comfyui.fingerprint import fingerprint
from pack.videograin.core.regions import Region
from pack.videograin.jobs import long_video

# Of Stable Diffusion's growth in width: rounding, which grows in narrow networks, is all that two ways may differ by.
NETWORK = partial(rig.random_unet, channel_mult=[1, 2, 4, 4])
pytestmark = pytest.mark.usefixtures("inference_mode", "private_output")


# ---- equal to the whole clip ----------------------------------------------------------------------------------------


def test_a_single_chunk_is_the_graph_by_hand_to_the_bit(unet, vae):
    frames, model = clip(4), st_layout(unet)
    source, positive, negative = prompts(4)
    latent = host.VAEEncode().encode(vae, frames)[0]
    noise, inversion, sigmas = DDIMInversion.execute(model, source, latent, STEPS, "ddim_uniform", 0).args
    blended = LatentBlend.execute(model, "inversion", inversion, grow=1).args[0]
    start = noise["samples"]
    out = comfy.sample.sample_custom(
        blended, torch.zeros_like(start), 4.0, comfy.samplers.sampler_object("euler"), sigmas, positive, negative,
        start, seed=0,
    )  # fmt: skip
    expected = host.VAEDecode().decode(vae, {"samples": out})[0]
    assert torch.equal(edited(model, vae, frames, 16, 4, anchors=0, grow=1)[0], expected)


@pytest.mark.parametrize("blend", variants("inversion", "progressive", "off"))
@pytest.mark.parametrize("length,overlap", variants((5, 2), (4, 0)))
def test_with_anchors_chunks_come_out_as_the_whole_clip(unet, vae, blend, length, overlap):
    """Every frame sees itself and the anchors: where a chunk ends makes no difference, and seams cannot be."""
    frames, model = clip(11), st_layout(unet)
    whole, _ = edited(model, vae, frames, 16, blend=blend)
    part, report = edited(model, vae, frames, length, overlap, blend=blend)
    alike(part, whole)
    assert "anchors: 0, 10" in report
    assert rig.rms(edited(model, vae, frames, length, overlap, anchors=0, blend=blend)[0] - whole) > 1e-3


def test_the_models_own_anchors_hold(unet, vae):
    frames = clip(9)
    model = AnchorAttention.execute(unet, 2, "swap", "1, 6", "earlier anchors").args[0]
    whole, report = edited(model, vae, frames, 9)
    assert "anchors: 1, 6" in report
    alike(edited(model, vae, frames, 4)[0], whole)
    assert rig.rms(edited(unet, vae, frames, 9)[0] - whole) > 1e-3


def test_what_track_regions_followed_through_the_whole_clip_is_cut_to_each_chunk(unet, demo):
    """As a mask and as regions."""
    frames, known = clip(9), areas(9)
    first = [region.mask[:1] for region in known]
    *tracked, _, _ = TrackRegions.execute(demo[0], frames, first[0], vae=demo[2], mask_2=first[1], enlarge=1).result
    assert not torch.equal(tracked[0][0], tracked[0][8])
    regions = tuple(Region(mask, region.phrase) for mask, region in zip(tracked, known, strict=False))
    words = rig.text(1), bound(rig.text(2), regions), rig.text(3)
    whole, part = (
        edited(st_layout(unet), demo[2], frames, length, words=words, mask=tracked[0])[0] for length in (9, 4)
    )
    alike(part, whole)


def test_masks_are_cut_to_each_chunk(unet, vae):
    frames = clip(9)
    mask = torch.zeros(9, SIDE, SIDE)
    for f in range(9):
        mask[f, :, 5 * f : 5 * f + 24] = 1
    words = rig.text(1), rig.text(2), rig.text(3)
    whole = edited(unet, vae, frames, 9, words=words, mask=mask)[0]
    alike(edited(unet, vae, frames, 4, words=words, mask=mask)[0], whole)
    assert rig.rms(edited(unet, vae, frames, 9, words=words, mask=mask.flip(0))[0] - whole) > 1e-3


def test_chunks_that_see_all_their_frames_give_way_to_each_other(unet, vae):
    """Then chunks differ, and over the shared frames the one fades into the other, at the latent."""
    frames, model = clip(10), FullFrameAttention.execute(unet, "all frames").args[0]
    made, original = [], long_video.edit_chunk

    def record(*args):
        made.append(original(*args))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_video, "edit_chunk", record)
        out, _ = edited(model, vae, frames, 6, 2, blend="off")
    one, other = made
    weight = torch.tensor([1 / 3, 2 / 3])[:, None, None, None]
    assert rig.rms(one[4:] - other[:2]) > 1e-3 * rig.rms(one)
    latents = torch.cat([one[:4], (1 - weight) * one[4:] + weight * other[:2], other[2:]])
    alike(out, vae.decode(latents))


# ---- ControlNet -----------------------------------------------------------------------------------------------------


def test_hints_are_cut_to_each_chunk(unet, vae):
    """A chain of two ControlNets: a hint per frame, and one for all."""
    frames = clip(9)
    hints = clip(9, seed=4)
    source, positive, negative = prompts(9)

    def words(hints):
        return [hinted(hinted(prompt, hints, 2.0), clip(1, seed=5), 0.5) for prompt in (source, positive, negative)]

    whole = edited(unet, vae, frames, 9, words=words(hints))[0]
    alike(edited(unet, vae, frames, 4, words=words(hints))[0], whole)
    still = edited(unet, vae, frames, 4, words=words(hints[:1]))[0]
    assert rig.rms(still - whole) > 1e-4  # the hints do something, and differ


def test_slices_leave_the_whole_clips_prompt_alone():
    hints = torch.arange(7.0)[:, None, None, None].expand(7, SIDE, SIDE, 3)
    conditioning = hinted(hinted(bound(rig.text(2), areas(7)), hints), hints[:3])
    conditioning[0][1].update(concat_latent_image=torch.arange(7.0)[:, None], pooled_output=torch.zeros(1, 9))
    before = fingerprint(conditioning)
    part = sliced(conditioning, [1, 4, 6], 7)
    control = part[0][1]["control"]
    assert control.cond_hint_original[:, 0, 0, 0].tolist() == [
        1,
        1,
        0,
    ]  # three hints for seven frames repeat, as in core
    assert control.previous_controlnet.cond_hint_original[:, 0, 0, 0].tolist() == [1, 4, 6]
    assert part[0][1]["concat_latent_image"][:, 0].tolist() == [1, 4, 6]
    assert part[0][1]["pooled_output"].shape == (1, 9) and torch.equal(part[0][0], conditioning[0][0])
    region = part[0][1]["videograin_binding"].regions[0]
    assert torch.equal(region.mask, areas(7)[0].mask[[1, 4, 6]])
    assert fingerprint(conditioning) == before and fingerprint(part) != before


# ---- cost -----------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_model_calls_per_frame_are_counted(unet, vae):
    """Inversion: one half, 1 + refinements a step; edit: both halves. Anchors and shared frames come on top, nothing else."""
    refinements = 1
    for frames, cuts in ((9, 2), (21, 5)):  # chunks of 5 that share 1, and the two anchors 0 and the last
        seen = []
        edited(rows(unet, seen), vae, clip(frames), 5, 1, blend="off", refinements=refinements)
        a_frame = STEPS * (1 + refinements) + STEPS * 2
        batched = (
            5 * cuts + cuts - 1 + cuts - 1
        )  # the first chunk holds one of the two anchors itself, the last the other
        assert sum(seen) == a_frame * batched


class Held:
    """The most bytes of all tensors in the process, but for some, over several looks."""

    def __init__(self):
        self.most = 0

    def look(self, without):
        gc.collect()
        tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
        known = {tensor.untyped_storage().data_ptr() for tensor in without}
        found = {
            t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors if t.device.type == "cpu"
        }
        self.most = max(self.most, sum(size for place, size in found.items() if place not in known))


def most_held(unet, vae, count, monkeypatch):
    """Bytes of all tensors but the clip given and the clip returned, at the last call of the network in each chunk."""
    frames, held, calls, rooms, room = clip(count), Held(), [], [], long_video._allocate
    spied = unet.clone()

    def keep_room(shape):
        rooms.append(room(shape))
        return rooms[-1]

    def spy(apply, args):
        calls.append(1)
        if len(calls) % (2 * STEPS) == 0:  # its inversion is held then, and all there is of other chunks
            held.look([frames, *rooms])
        return apply(args["input"], args["timestep"], **args["c"])

    spied.set_model_unet_function_wrapper(spy)
    mask = torch.zeros(1, SIDE, SIDE)
    mask[..., :32] = 1
    with monkeypatch.context() as patch:
        patch.setattr(long_video, "_allocate", keep_room)
        out, _ = edited(spied, vae, frames, 8, 2, words=(rig.text(1), rig.text(2), rig.text(3)), mask=mask)
    assert len(out) == count and len(rooms) == 1 and out is rooms[0]
    return held.most


@pytest.mark.once
@pytest.mark.slow
def test_what_is_held_does_not_grow_with_the_clip(unet, vae, monkeypatch):
    few, many = (most_held(unet, vae, count, monkeypatch) for count in (16, 64))
    latent = (SIDE // 8) ** 2 * 4 * 4  # the least that could be held of a frame
    assert abs(many - few) < 48 * latent / 4, (few, many)


def test_progress_runs_once_over_the_whole_clip(unet, vae, monkeypatch):
    reports = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: reports.append((value, total)))
    texts = []
    monkeypatch.setattr("pack.videograin.comfyui.progress.tell", texts.append)
    edited(unet, vae, clip(11), 5, 2)
    total = 3 * 2 * STEPS
    ours = [value for value, whole in reports if whole == total]
    assert ours == sorted(ours) and ours[0] == 0 and ours[-1] == total
    assert texts[0] == f"Chunk 1 of 3, inverting: step 1 of {STEPS}"
    assert texts[-1] == f"Chunk 3 of 3, editing: step {STEPS} of {STEPS}" and len(texts) == total


# ---- refused before anything is computed ----------------------------------------------------------------------------


def whole_inversion(unet):
    return DDIMInversion.execute(unet, rig.text(1), {"samples": rig.latent(4, 8, 8)}, 1, "ddim_uniform", 0).args[1]


def through(kind, unet):
    if kind == "blend":
        return LatentBlend.execute(unet, "inversion", whole_inversion(unet), mask=torch.ones(1, SIDE, SIDE)).args[0]
    if kind == "fusion":
        return SelfAttentionFusion.execute(unet, whole_inversion(unet), rig.text(1), "style", "everywhere").args[0]
    if kind == "flow":
        return FlowGuidedAttention.execute(unet, clip(4), "1/1", True).args[0]
    if kind == "windows":
        return rig.windowed(unet)
    if kind == "norm":
        return FullFrameAttention.execute(unet, "own", clip_norm=True).args[0]
    if kind == "layout":
        return st_layout(unet)
    if kind == "middle":
        return FullFrameAttention.execute(unet, "middle").args[0]
    return AnchorAttention.execute(unet, 2, "concat", "0, 40").args[0]


@pytest.mark.parametrize(
    "kind,message",
    [
        ("blend", "passed through Latent Blend.*MODEL from before that node.*own `blend`"),
        ("fusion", "passed through Self-Attention Fusion, which reads one whole clip.*MODEL from before"),
        ("flow", "passed through Flow-Guided Attention.*MODEL from before"),
        ("windows", "context windows.*set `chunk_length`"),
        ("norm", "`clip_norm`.*Switch `clip_norm` off"),
        ("layout", "ST-Layout Attention, but its `positive` brings no regions"),
        ("anchors", "names frame 40, but the clip has 4 frames"),
        ("middle", "“middle” and Anchor Attention both"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_computed(unet, vae, kind, message, monkeypatch):
    model = through(kind, unet)
    model.set_model_unet_function_wrapper(lambda apply, args: pytest.fail("the model was called"))
    words = rig.text(1), rig.text(2), rig.text(3)
    if kind != "middle":
        monkeypatch.setattr(type(vae), "encode", lambda *_: pytest.fail("the VAE was called"))
    with pytest.raises(ValueError, match=message):
        edited(model, vae, clip(4), 4, words=words, mask=torch.ones(1, SIDE, SIDE))


@pytest.mark.parametrize(
    "change,message",
    [
        ({"overlap": 4}, r"`overlap` \(4\) must be less than its `chunk_length` \(4\)"),
        ({"mask": torch.ones(3, SIDE, SIDE)}, "`mask` has 3 masks, but the clip has 6 frames"),
        ({"mask": torch.zeros(1, SIDE, SIDE)}, "`mask` is empty.*set `blend` to “off”"),
        ({}, "no editable area.*`blend` to “off”"),
        ({"words": "other length"}, "Region 1 .* has 4 masks, but the latent has 6 frames"),
        ({"vae": None}, "`vae` is empty.*Load VAE"),
        ({"vae": SimpleNamespace(latent_channels=16)}, "`vae` makes latents of 16 channels, but the model's have 4"),
        ({"frames": torch.zeros(6, 4, 64, 3)}, "`frames` are 64×4 pixels; 8 a side"),
        ({"frames": torch.full((6, SIDE, SIDE, 3), float("nan"))}, "`frames` hold NaN"),
        ({"scheduler": "kl_optimal", "steps": 1}, "`scheduler` makes no falling noise levels"),
        ({"words": "other model"}, "Edit in Chunks's `source` is text of 64 numbers a token"),
    ],
)
def test_mistakes_are_refused_before_anything_is_computed(unet, vae, change, message, monkeypatch):
    monkeypatch.setattr(type(vae), "encode", lambda *_: pytest.fail("the VAE was called"))
    words = rig.text(1), rig.text(2), rig.text(3)
    words = {"other length": prompts(4), "other model": (rig.text(1, width=64), *words[1:])}.get(
        change.get("words"), words
    )
    inputs = {"vae": vae, "frames": clip(6), **change, "words": words}
    with pytest.raises(ValueError, match=message):
        edited(unet, length=4, **inputs)


def test_a_sampler_that_adds_noise_is_told(unet, vae, caplog):
    edited(
        unet,
        vae,
        clip(2),
        4,
        words=(rig.text(1), rig.text(2), rig.text(3)),
        blend="off",
        sampler_name="euler_ancestral",
    )
    assert "Edit in Chunks's sampler euler_ancestral adds noise on the way" in caplog.text
