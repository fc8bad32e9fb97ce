"""Inject Source Features in the real UNet: whose features, where, when; nothing left behind."""

from functools import partial

import comfy.model_base
import comfy.model_management
import comfy.samplers
import nodes as host
import pytest
import recipe
import rig
import torch
from cases import variants
from comfy.ldm.modules.attention import BasicTransformerBlock
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock
from recipe import edit, fails, invert

from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.source import InjectSourceFeatures
from pack.videograin.comfyui.plan import KEY
from pack.videograin.comfyui.source_pass import Source

pytestmark = pytest.mark.usefixtures("inference_mode")
st_layout = partial(recipe.st_layout, self_strength=0.5, self_role="both")


@pytest.fixture(scope="module")
def demo():
    """The trained demo model: (MODEL, source prompt, empty prompt, the demo clip's latent)."""
    from pack.nodes.demo import DemoClip
    from pack.videograin.jobs import demo_model

    model, clip, vae = demo_model.load()
    frames, _, _, caption, *_ = DemoClip.execute("wolf", "pig", "snow", 8, 1.0, 0).args
    prompt, empty = (clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in (caption, ""))
    return model, prompt, empty, vae.encode(frames[:2])


def injected(model, inversion, prompt=None, features=1.0, attention=1.0, **more):
    return InjectSourceFeatures.execute(model, inversion, prompt or rig.text(1), features, attention, **more).args[0]


def hooks_left(model):
    modules = list(model.model.diffusion_model.modules())
    return [m for m in modules if m._forward_hooks or m._forward_pre_hooks]


def test_nothing_injected_is_the_plain_model(unet):
    noise, inversion, _ = invert(unet)
    plain = edit(unet, noise)
    assert torch.equal(edit(injected(unet, inversion, features=0.0, attention=0.0), noise), plain)
    assert not torch.equal(edit(injected(unet, inversion), noise), plain)


# ---- against features recorded and put in by hand -------------------------------------------------------------------

RESNETS, ATTENTIONS = (2, 3, 4), (3, 4, 5, 6)  # of this network's eight decoder blocks


def places(network, features=True, attention=True):
    """The modules whose outputs are the source's, by their place in the decoder."""
    found = {}
    for block in RESNETS if features else ():
        found["resnet", block] = next(m for m in network.output_blocks[block] if isinstance(m, ResBlock)).out_layers[3]
    for block in ATTENTIONS if attention else ():
        for m in network.output_blocks[block].modules():
            if isinstance(m, BasicTransformerBlock):
                found["q", block], found["k", block] = m.attn1.to_q, m.attn1.to_k
    return found


def recorded(model, shown, sigma, prompt, **more):
    """What a plain forward of the source gives at every place."""
    seen, network = {}, model.model.diffusion_model
    handles = [
        module.register_forward_hook(lambda m, a, output, place=place: seen.__setitem__(place, output.clone()))
        for place, module in places(network).items()
    ]
    text = prompt[0][0].expand(len(shown), -1, -1)
    model.model.apply_model(shown, torch.full((len(shown),), sigma), c_crossattn=text, transformer_options={}, **more)
    for handle in handles:
        handle.remove()
    return seen


def by_hand(model, seen, run, **which):
    """`run` with the places' outputs replaced in every chunk of the batch."""

    def put(place):
        return lambda m, a, output: seen[place].repeat(len(output) // len(seen[place]), *[1] * (output.ndim - 1))

    network = model.model.diffusion_model
    handles = [m.register_forward_hook(put(place)) for place, m in places(network, **which).items()]
    try:
        return run()
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("which", variants("both", "features", "attention"))
@pytest.mark.parametrize("separately", [False, True], ids=["batched", "separate"])
def test_the_edit_uses_what_a_plain_forward_of_the_source_gives(unet, which, separately, call_separately):
    noise, inversion, _ = invert(unet)
    seen = recorded(unet, inversion.latents[0], float(inversion.sigmas[0]), rig.text(1))
    if separately:
        call_separately(unet)
    shares = {name: float(which in (name, "both")) for name in ("features", "attention")}
    ours = edit(injected(unet, inversion, **shares), noise, last_step=1)
    truth = by_hand(
        unet, seen, lambda: edit(unet, noise, last_step=1), **{name: share > 0 for name, share in shares.items()}
    )
    plain = edit(unet, noise, last_step=1)
    assert rig.rms(ours - truth) < 1e-6 * rig.rms(truth)
    assert rig.rms(ours - plain) > 1e-2 * rig.rms(plain)


def test_the_released_codes_step_comes_from_the_next_level(unet):
    noise, inversion, _ = invert(unet)
    seen = recorded(unet, inversion.latents[1], float(inversion.sigmas[1]), rig.text(1))
    ours = edit(injected(unet, inversion, source_step="next step"), noise, last_step=1)
    truth = by_hand(unet, seen, lambda: edit(unet, noise, last_step=1))
    assert rig.rms(ours - truth) < 1e-6 * rig.rms(truth)
    assert torch.isfinite(edit(injected(unet, inversion, source_step="next step"), noise)).all()


def test_one_half_of_guidance_alone(unet):
    """With the negative half injected only, and guidance that uses the positive half only, nothing changes."""
    noise, inversion, _ = invert(unet)
    both, negative, positive = (injected(unet, inversion, role=role) for role in ("both", "negative", "positive"))
    for model in (unet, both, negative, positive):
        model.model_options["disable_cfg1_optimization"] = True
    plain, both, negative, positive = (edit(model, noise, cfg=1.0) for model in (unet, both, negative, positive))
    assert rig.rms(plain - negative) < 1e-5 * rig.rms(plain) and rig.rms(both - positive) < 1e-5 * rig.rms(both)
    assert rig.rms(plain - both) > 1e-2 * rig.rms(plain)


def test_it_ends_with_its_share_of_the_schedule(unet):
    noise, inversion, _ = invert(unet)
    model = injected(unet, inversion, features=0.5, attention=0.5)
    middle = edit(model, noise, last_step=2)
    assert not torch.equal(middle, edit(unet, noise, last_step=2))
    late = rig.latent(seed=9)
    assert torch.equal(edit(model, late, start_step=2), edit(unet, late, start_step=2))


@pytest.fixture(scope="module")
def demo_inverted(demo):
    model, prompt, _, source = demo
    return DDIMInversion.execute(model, prompt, {"samples": source}, 6, "ddim_uniform", 2).args


@pytest.mark.once
@pytest.mark.parametrize("sampler", ["euler", "heun", "dpm_2", "uni_pc"])
def test_over_all_steps_it_rebuilds_better_than_the_inversion_alone(demo, demo_inverted, sampler):
    """The trained model under the source prompt, with guidance; samplers that ask between two levels too."""
    (model, prompt, empty, source), (noise, inversion, sigmas) = demo, demo_inverted

    def error(model, cfg):
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(prompt, empty)
        guider.set_cfg(cfg)
        start, solver = noise["samples"], comfy.samplers.sampler_object(sampler)
        return rig.rms(guider.sample(torch.zeros_like(start), start, solver, sigmas, seed=0) - source)

    assert error(injected(model, inversion, prompt), 4.0) < 0.75 * error(model, 4.0)
    if sampler == "euler":
        assert error(injected(model, inversion, prompt), 1.0) < error(model, 1.0)


# ---- with others ----------------------------------------------------------------------------------------------------


def bound():
    import oracle

    return oracle.bound(rig.text(2), oracle.regions(3, 16, 16))


def test_the_order_of_nodes_does_not_matter(unet):
    full = FullFrameAttention.execute(unet, "all frames").args[0]
    noise, inversion, _ = invert(full)

    def inject(model):
        return injected(model, inversion)

    def blend(model):
        return LatentBlend.execute(model, "inversion", inversion, mask=torch.ones(1, 128, 128)).args[0]

    found = []
    for order in ((inject, st_layout, blend), (blend, st_layout, inject), (st_layout, inject, blend)):
        model = full
        for node in order:
            model = node(model)
        found.append(rig.sample(model, bound(), rig.text(3), noise["samples"], steps=4))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
    assert not torch.equal(found[0], rig.sample(st_layout(full), bound(), rig.text(3), noise["samples"], steps=4))
    assert KEY not in unet.model_options.get("transformer_options", {})


def test_modulation_acts_on_injected_scores_and_not_on_the_source(unet, monkeypatch):
    from pack.videograin.features.st_layout import Modulated

    seen, original = [], Modulated._of_self

    def spy(self, at, layout, k):
        seen.append((k.shape[0], at.call.sees_source))
        return original(self, at, layout, k)

    monkeypatch.setattr(Modulated, "_of_self", spy)
    model = st_layout(unet)
    noise, inversion, _ = invert(model)
    rig.sample(injected(model, inversion), bound(), rig.text(3), noise["samples"], steps=4)
    assert seen and not any(source for _, source in seen)


@pytest.mark.parametrize("fault", [comfy.model_management.InterruptProcessingException, RuntimeError])
@pytest.mark.parametrize("call", variants(2, 1, 3))  # of the edit, of the source, of the source again
def test_no_hook_and_no_feature_is_left_after_an_error(unet, fault, call, monkeypatch):
    sources, kept, calls, announce = [], [], [], Source.announce
    monkeypatch.setattr(Source, "announce", lambda self, guider: (sources.append(self), announce(self, guider)))
    noise, inversion, _ = invert(unet)
    model = injected(unet, inversion)
    expected = edit(model, noise, callback=lambda *_: kept.append(dict(sources[-1]._features)))
    assert kept == [{}] * 4

    def fail(q, k, v, extra):
        calls.append(1)
        if len(calls) == call:
            raise fault
        return comfy.ldm.modules.attention.optimized_attention(q, k, v, extra["n_heads"])

    faulty = model.clone()
    faulty.set_model_attn2_replace(fail, "output", 5)
    with pytest.raises(fault):
        edit(faulty, noise)
    assert not hooks_left(unet) and not sources[-1]._features and not sources[-1].places
    assert torch.equal(edit(model, noise), expected) and not hooks_left(unet)


def test_a_controlnet_of_the_source_acts_in_its_features(unet):
    control, hint = rig.controlnet(), torch.rand(3, 128, 128, 3, generator=torch.Generator().manual_seed(6))
    source, negative = rig.text(1), rig.text(3)
    guided = host.ControlNetApplyAdvanced().apply_controlnet(source, negative, control, hint, 1.0, 0.0, 1.0)[0]
    noise, inversion, _ = invert(unet, guided)
    inside, outside = (injected(unet, inversion, prompt) for prompt in (guided, source))
    assert rig.rms(edit(inside, noise) - edit(outside, noise)) > 1e-3 * rig.rms(edit(outside, noise))
    # And only there: the edit's own ControlNet, applied the old way to both halves, does not reach the source.
    edited = host.ControlNetApply().apply_controlnet(rig.text(2), control, hint, 1.0)[0]
    seen = []

    def spy(apply, args):
        seen.append((len(args["input"]), args["c"].get("control") is not None))
        return apply(args["input"], args["timestep"], **args["c"])

    outside.set_model_unet_function_wrapper(spy)
    rig.sample(outside, edited, negative, noise["samples"], steps=4)
    assert set(seen) == {(3, False), (6, True)}


@pytest.mark.parametrize("schedule", ["standard_static", "standard_uniform"])
@pytest.mark.parametrize("source_step", variants("same step", "next step"))
def test_in_context_windows_each_frame_gets_its_own_features(unet, schedule, source_step):
    """Per-frame attention: a window's features are those of its frames, whatever window they were recorded in."""
    noise, inversion, _ = invert(unet, frames=5)
    model = injected(unet, inversion, source_step=source_step)
    whole, windows = (edit(m, noise, last_step=1) for m in (model, rig.windowed(model, schedule)))
    assert rig.rms(whole - windows) < 1e-5 * rig.rms(whole)
    assert rig.rms(whole - edit(unet, noise, last_step=1)) > 1e-2 * rig.rms(whole)


def test_in_context_windows_features_are_those_of_the_same_window(unet):
    """Full-frame attention sees a window: the source's prompt as the edit's then changes nothing at the first step."""
    windowed = rig.windowed(FullFrameAttention.execute(unet, "all frames", clip_norm=True).args[0])
    noise, inversion, _ = invert(windowed, frames=5)
    prompts = (rig.text(1), rig.text(1), noise["samples"])
    ours, plain = (rig.sample(m, *prompts, steps=4, last_step=1) for m in (injected(windowed, inversion), windowed))
    assert rig.rms(ours - plain) < 1e-5 * rig.rms(plain)
    assert rig.rms(edit(injected(windowed, inversion), noise) - edit(windowed, noise)) > 1e-2 * rig.rms(plain)


def test_a_prompt_with_an_area_gets_the_sources_features_of_that_area(unet, call_separately):
    """As if the source itself had been looked at through the area."""
    noise, inversion, _ = invert(unet)
    left = host.ConditioningSetArea().append(rig.text(4), 64, 128, 0, 0, 1.0)[0]
    sigma = float(inversion.sigmas[0])
    seen = [recorded(unet, shown, sigma, rig.text(1)) for shown in
            (inversion.latents[0], inversion.latents[0][..., :8])]  # fmt: skip

    def put(place):
        return lambda m, a, output: next(
            source[place].repeat(len(output) // 3, *[1] * (output.ndim - 1))
            for source in seen
            if source[place].shape[1:] == output.shape[1:]
        )

    call_separately(unet)
    ours = rig.sample(
        injected(unet, inversion), rig.text(2) + left, rig.text(3), noise["samples"], steps=4, last_step=1
    )
    handles = [m.register_forward_hook(put(place)) for place, m in places(unet.model.diffusion_model).items()]
    truth = rig.sample(unet, rig.text(2) + left, rig.text(3), noise["samples"], steps=4, last_step=1)
    for handle in handles:
        handle.remove()
    assert rig.rms(ours - truth) < 1e-6 * rig.rms(truth)


def test_the_source_keeps_its_own_picture_in_an_instruct_pix2pix_model(unet):
    """What such a model is shown beside the latent belongs to the prompt: the inversion's to the source."""
    model = rig.random_unet(in_channels=8)
    model.model.__class__ = comfy.model_base.SD15_instructpix2pix
    model.model.process_ip2p_image_in = lambda image: image
    pictures = {seed: rig.latent(seed=seed) / 4 for seed in (20, 21)}
    source, positive, negative = (
        [[rig.text(seed)[0][0], {"concat_latent_image": pictures[picture]}]]
        for seed, picture in ((1, 20), (2, 21), (3, 21))
    )
    noise, inversion, _ = invert(model, source)
    seen = recorded(model, inversion.latents[0], float(inversion.sigmas[0]), source, c_concat=pictures[20])
    run = {"steps": 4, "last_step": 1}
    ours = rig.sample(injected(model, inversion, source), positive, negative, noise["samples"], **run)
    truth = by_hand(model, seen, lambda: rig.sample(model, positive, negative, noise["samples"], **run))
    assert rig.rms(ours - truth) < 1e-6 * rig.rms(truth)


def test_source_prompts_may_follow_one_another(unet):
    noise, inversion, _ = invert(unet)
    early, late = (
        host.ConditioningSetTimestepRange().set_range(rig.text(seed), *share)[0]
        for seed, share in ((1, (0.0, 0.3)), (7, (0.3, 1.0)))
    )
    ours = edit(injected(unet, inversion, early + late), noise, last_step=1)
    assert torch.equal(ours, edit(injected(unet, inversion, rig.text(1)), noise, last_step=1))


def test_a_lazy_cache_and_self_attention_guidance_go_along(unet):
    from comfy_extras.nodes_easycache import LazyCacheNode
    from comfy_extras.nodes_sag import SelfAttentionGuidance

    noise, inversion, _ = invert(unet)
    model = injected(SelfAttentionGuidance.execute(unet, 0.5, 2.0).args[0], inversion)
    assert not torch.equal(edit(model, noise), edit(injected(unet, inversion), noise))
    lazy = LazyCacheNode.execute(injected(unet, inversion), 0.2, 0.15, 0.95, False).args[0]
    assert torch.isfinite(edit(lazy, noise)).all()


# ---- what does not fit ----------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_told_before_the_model_runs(unet):
    from comfy_extras.nodes_easycache import EasyCacheNode

    noise, inversion, _ = invert(unet)
    fits = injected(unet, inversion)
    fails(
        r"latent is 2 frames .* but the inversion's clip is 3 frames .*Inject Source Features",
        fits,
        noise["samples"][:2],
    )
    fails(r"adds fresh noise.*through Inject Source Features.*KSampler \(Advanced\)", fits, noise, noise=True)
    fails(r"starts at sigma = .*SIGMAS", fits, noise, start_step=1)
    full = FullFrameAttention.execute(unet, "all frames").args[0]
    fails(r'inverted with self-attention seeing "own", but .* sees "all frames"', injected(full, inversion), noise)
    fails(r"inverted with another model", injected(rig.random_unet(v_prediction=True), inversion), noise)
    fails(r"EasyCache is active", EasyCacheNode.execute(fits, 0.2, 0.15, 0.95, False).args[0], noise)
    part = host.ConditioningSetArea().append(rig.text(1), 64, 128, 0, 0, 1.0)[0]
    fails(r"`conditioning` is limited to a part of the picture", injected(unet, inversion, part), noise)
    two = injected(unet, inversion, rig.text(1) + rig.text(7))
    fails(r"Inject Source Features's? `conditioning` holds several prompts", two, noise)
    with pytest.raises(ValueError, match="passed through Inject Source Features already"):
        injected(fits, inversion)


def test_a_hook_only_the_source_has_is_told(unet):
    import comfy.hooks

    noise, inversion, _ = invert(unet)
    group = comfy.hooks.HookGroup()
    group.add(comfy.hooks.TransformerOptionsHook(transformers_dict={"some": 1}))
    hooked = [[text, {**notes, "hooks": group}] for text, notes in rig.text(1)]
    model = injected(unet, inversion, hooked)
    fails(r"carries a hook .* that the sampler's own prompts do not carry", model, noise)
    shared = [[text, {**notes, "hooks": group}] for text, notes in rig.text(2)]
    assert torch.isfinite(rig.sample(model, shared, rig.text(3), noise["samples"], steps=4)).all()
