"""Place Objects in the real UNet: gradients under inference mode, who is moved when and how far, what it costs."""

import gc

import comfy.model_management
import pytest
import rig
import torch
from cases import variants
from placed import CAT, DOG, PROMPT, Truth, encoded, looks, placed, run, steps, whole
from recipe import half

from pack.nodes.attention import FullFrameAttention
from pack.nodes.placement import PlaceObjects
from pack.nodes.regions import RegionPrompt
from pack.videograin.core.reatco import step_size
from pack.videograin.features import reatco_placement
from pack.videograin.jobs import demo_model
from pack.videograin.views.attention_maps import attention_inside

pytestmark = pytest.mark.usefixtures("inference_mode")


def ordinary():
    """The same network with weights that autograd takes."""
    with torch.inference_mode(False):
        return rig.random_unet()


# ---- neutral is exact -----------------------------------------------------------------------------------------------


def test_neutral_is_the_plain_model(unet, clip):
    args = (encoded(clip), rig.text(2), rig.latent(), True)
    plain = rig.sample(unet, *args)
    for neutral in ({"strength": 0.0}, {"end_percent": 0.0}):
        assert torch.equal(rig.sample(placed(unet, clip, **neutral), *args), plain)
    assert not torch.equal(rig.sample(placed(unet, clip), *args), plain)


def test_after_its_share_it_is_the_plain_model(unet, clip):
    late = (encoded(clip), rig.text(2), rig.latent(seed=9))
    model = placed(unet, clip, end_percent=0.5)
    assert torch.equal(*(rig.sample(m, *late, steps=4, start_step=2) for m in (model, unet)))
    assert not torch.equal(*(rig.sample(m, *late, steps=4, last_step=2) for m in (model, unet)))


# ---- against RAD written out ----------------------------------------------------------------------------------------


def grid(frames=3, side=4):
    mask = torch.zeros(frames, side, side, dtype=torch.bool)
    mask[..., : side // 2] = True
    return mask


def test_the_first_step_is_the_gradient_of_the_whole_network(unet, clip, monkeypatch):
    """Two objects; x-space and z-space agree; and the gradient is that of finite differences."""
    seen, text, sigmas = looks(monkeypatch), encoded(clip), steps(unet)
    (regions,) = RegionPrompt.execute(half(), "a cat").args
    (regions,) = RegionPrompt.execute(1 - half(), "dog", regions=regions).args
    model = PlaceObjects.execute(unet, clip, PROMPT, regions, refinements=0).args[0]
    run(model, text, rig.latent(), sigmas)
    truth, (x, sigma, moved) = Truth(ordinary(), text, [CAT, DOG], [grid(), ~grid()]), seen[0]
    timestep = float(unet.get_model_object("model_sampling").timestep(torch.tensor(sigma)))
    expected = truth.step(x, sigma, step_size(timestep, 20.0), whole)
    assert rig.rms(moved - expected) < 1e-3 * rig.rms(moved - x) and rig.rms(moved - x) > 0

    direction = truth.gradient(x, sigma, whole).sign()
    ends = [float(whole(*truth.scores(x + side * 0.003 * direction, sigma))) for side in (1, -1)]
    slope = float((truth.gradient(x, sigma, whole) * direction).sum())
    assert (ends[0] - ends[1]) / 0.006 == pytest.approx(slope, rel=0.1)


def test_the_key_set_in_force_is_looked_at(unet, clip, monkeypatch):
    seen, text, sigmas = looks(monkeypatch), encoded(clip), steps(unet)
    run(placed(FullFrameAttention.execute(unet, "all frames").args[0], clip), text, rig.latent(), sigmas)
    run(placed(unet, clip), text, rig.latent(), sigmas)
    joined, own = (seen[i][2] - seen[i][0] for i in (0, 3))
    assert rig.rms(joined - own) > 0.01 * rig.rms(own)


@pytest.mark.parametrize("mode", variants("default", "reference"))
def test_refinement_is_for_the_worst_and_only_the_released_code_then_forgets_the_rest(unet, clip, monkeypatch, mode):
    seen, text, sigmas = looks(monkeypatch), encoded(clip), steps(unet)
    run(placed(unet, clip, mode=mode, refinements=2), text, rig.latent(), sigmas)
    truth, (x, sigma, moved) = Truth(ordinary(), text, [CAT], [grid()]), seen[0]
    assert float(truth.scores(x, sigma)[0][0]) < 0.5  # where refinement ends past 0.2 of the schedule
    strength = step_size(float(unet.get_model_object("model_sampling").timestep(torch.tensor(sigma))), 20.0)
    expected = x
    for _ in range(2):
        expected = truth.step(expected, sigma, strength, lambda inner, outer: (1 - inner).max())
    last = whole if mode == "default" else lambda inner, outer: (1 - inner).sum()
    expected = truth.step(expected, sigma, strength, last)
    other = truth.step(expected, sigma, strength, whole) - expected
    assert rig.rms(moved - expected) < 1e-3 * rig.rms(moved - x) < rig.rms(other)


def test_an_euler_step_goes_on_from_the_moved_latent(unet, clip, monkeypatch):
    seen, text = looks(monkeypatch), encoded(clip)
    sigmas = steps(unet)[:2]
    ours = run(placed(unet, clip, refinements=0), text, rig.latent(), sigmas)
    scale = unet.model.process_latent_out
    theirs = run(unet, text, scale(seen[0][2]), sigmas)
    assert rig.rms(ours - theirs) < 1e-5 * rig.rms(theirs)
    assert rig.rms(ours - run(unet, text, rig.latent(), sigmas)) > 1e-3 * rig.rms(ours)


# ---- batches, sizes, prompts ----------------------------------------------------------------------------------------


def test_chunks_in_separate_calls_change_nothing(unet, clip, call_separately):
    args = (encoded(clip), rig.text(2), rig.latent(), True)
    together = rig.sample(placed(unet, clip), *args)
    call_separately(unet)
    apart = rig.sample(placed(unet, clip), *args)
    assert rig.rms(together - apart) < 1e-4 * rig.rms(together)


@pytest.mark.parametrize("frames,height,width", variants((2, 14, 24), (1, 13, 18)))
def test_any_size_and_one_frame(unet, clip, frames, height, width):
    mask = half(1, height * 8, width * 8)
    args = (encoded(clip), rig.text(2), rig.latent(frames, height, width), True)
    ours = rig.sample(placed(unet, clip, mask=mask), *args)
    assert torch.isfinite(ours).all() and not torch.equal(ours, rig.sample(unet, *args))


def test_words_in_a_long_prompt_and_a_longer_negative(unet, clip):
    prompt = "grass, " * 45 + "and a cat"
    model = placed(unet, clip, prompt=prompt)
    assert model.model_options["transformer_options"]["videograin"][-1].places[0].tokens.nonzero().item() > 77
    args = (encoded(clip, prompt), rig.text(2, tokens=231), rig.latent(), True)
    ours = rig.sample(model, *args)
    assert torch.isfinite(ours).all() and not torch.equal(ours, rig.sample(unet, *args))


def test_context_windows_place_in_each_window(unet, clip, monkeypatch):
    seen = looks(monkeypatch)
    args = (encoded(clip), rig.text(2), rig.latent(5), True)
    rig.sample(rig.windowed(placed(unet, clip, mask=half(5))), *args)
    x, _, moved = seen[0]
    assert ((moved - x).flatten(1).norm(dim=1) > 0).all()


def test_controlnet_takes_part(unet, clip, monkeypatch):
    import nodes

    seen, text = looks(monkeypatch), encoded(clip)
    hint = torch.rand(3, 128, 128, 3, generator=torch.Generator().manual_seed(1))
    controlled = nodes.ControlNetApplyAdvanced().apply_controlnet(
        text, rig.text(2), rig.controlnet(), hint, 1.0, 0.0, 1.0
    )
    model = placed(unet, clip, refinements=0)
    for prompts in (controlled[:2], (text, rig.text(2))):
        rig.sample(model, *prompts, rig.latent(), True)
    with_hint, without = (seen[i][2] - seen[i][0] for i in (0, 3))
    assert rig.rms(with_hint - without) > 0.01 * rig.rms(without)


# ---- with a trained model -------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("sampler", ["euler", "uni_pc"])
def test_attention_moves_into_the_mask_whatever_the_sampler(sampler, monkeypatch):
    """The demo model, two frames, six steps: where “cat” is looked at when placing ends."""
    model, clip, _ = demo_model.load()
    looks(monkeypatch)  # which makes sure that the sampler's latent is never written to
    seen, found = [], {}
    mean = reatco_placement.MapWatcher.mean
    monkeypatch.setattr(reatco_placement.MapWatcher, "mean", lambda self: seen.append(mean(self)) or seen[-1])
    box, frames = "cat: 12, 60, 70, 80", torch.zeros(2, 192, 192, 3)
    prompts = [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in ("a cat in the snow", "")]
    for strength in (20.0, 1e-9):  # the second looks, and moves nothing to speak of
        model_, mask, _ = PlaceObjects.execute(
            model, clip, "a cat in the snow", (), box, frames, strength, refinements=0, level="1/2"
        ).args
        empty = torch.zeros(2, 4, 24, 24)
        rig.sample(model_, *prompts, empty, True, steps=6, cfg=5.0, sampler=sampler, seed=2)
        found[strength] = attention_inside(seen[-1][..., CAT], mask)
    assert found[20.0] > 1.5 * found[1e-9]


# ---- what stays as it was -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [None, comfy.model_management.InterruptProcessingException, RuntimeError])
def test_the_network_is_whole_again_whatever_happens(unet, clip, monkeypatch, fault):
    network = unet.model.diffusion_model
    layers = [module for module in network.modules() if hasattr(module, "weight_function")]
    blocks, head = network.output_blocks, network.out
    args = (encoded(clip), rig.text(2), rig.latent(), True)
    plain = rig.sample(unet, *args)
    if fault is not None:
        monkeypatch.setattr(reatco_placement.MapWatcher, "mean", lambda self: (_ for _ in ()).throw(fault()))
        with pytest.raises(fault):
            rig.sample(placed(unet, clip), *args)
    else:
        rig.sample(placed(unet, clip), *args)
    assert network.output_blocks is blocks and network.out is head
    assert all(not layer.weight_function and not layer.bias_function for layer in layers)
    assert torch.equal(rig.sample(unet, *args), plain)


def test_no_graph_of_gradients_outlives_its_step(unet, clip):
    """Even where Python's collector of cycles does not run: it would be the network's memory once more, each step."""
    gc.collect()
    gc.disable()
    try:
        rig.sample(placed(unet, clip), encoded(clip), rig.text(2), rig.latent(), True)
        alive = [one for one in gc.get_objects() if type(one) is torch.Tensor and one.grad_fn is not None]
    finally:
        gc.enable()
    assert not alive


def test_in_half_precision_the_loss_is_scaled(unet, clip, monkeypatch):
    """Unscaled, most of a gradient this small is lost in float16's rounding to zero."""
    seen, args = looks(monkeypatch), (encoded(clip), rig.text(2), rig.latent(), True)
    rig.sample(placed(unet, clip, refinements=0), *args)
    halves = rig.random_unet()
    halves.model.diffusion_model.half()
    halves.model.diffusion_model.dtype = torch.float16
    rig.sample(placed(halves, clip, refinements=0), *args)
    monkeypatch.setattr(reatco_placement, "SCALES", (2.0**-12,))
    rig.sample(placed(halves, clip, refinements=0), *args)
    full, scaled, lost = (seen[i][2] - seen[i][0] for i in (0, 3, 6))
    assert rig.rms(scaled - full) < 0.05 * rig.rms(full)
    assert rig.rms(lost - full) > 0.2 * rig.rms(full)
