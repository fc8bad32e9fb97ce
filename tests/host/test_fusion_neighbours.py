"""Self- and Cross-Attention Fusion beside other nodes and packs; words by name; what is refused."""

import comfy.samplers
import nodes as host
import pytest
import rig
import torch
from cases import variants
from fused import NEW, OLD, cross_fused, invert, self_fused, words_fused
from oracle import SIGMA, bound, one_step, regions
from recipe import close, edit, fails, full_frame, st_layout

from pack.nodes.blend import LatentBlend
from pack.nodes.source import InjectSourceFeatures
from pack.videograin.comfyui.prompts import read
from pack.videograin.comfyui.source_pass import Source
from pack.videograin.jobs.fusion import aligned_words

pytestmark = pytest.mark.usefixtures("inference_mode")


# ---- with others ----------------------------------------------------------------------------------------------------


def test_the_order_of_nodes_does_not_matter(unet, clip):
    noise, inversion, _ = invert(full_frame(unet))
    mask = torch.ones(1, 128, 128)

    def blend(model):
        return LatentBlend.execute(model, "inversion", inversion, mask=mask).args[0]

    nodes = (
        full_frame,
        st_layout,
        blend,
        lambda model: self_fused(model, inversion, "outside regions"),
        lambda model: cross_fused(model, inversion, clip),
    )
    found = []
    for order in (nodes, nodes[::-1]):
        model = unet
        for node in order:
            model = node(model)
        found.append(edit(model, noise, bound(rig.text(2), regions(3, 16, 16))))
    assert torch.equal(*found)


def test_what_another_pack_adds_to_cross_attention_is_added(unet, clip):
    """As IPAdapter does it: its part stands beside the fused words, in the source and in the edit."""
    _, inversion, _ = invert(unet)

    def added(q):
        return 0.1 * torch.sin(q)

    def more(q, k, v, extra):
        return comfy.ldm.modules.attention.optimized_attention(q, k, v, extra["n_heads"]) + added(q)

    site = ("middle", 0)
    patched = unet.clone()
    patched.set_model_attn2_replace(more, *site)
    prompts = rig.text(2), rig.text(3), rig.latent(seed=5)
    seen = []

    def spy(module, args):
        seen.append(args[0])

    to_out = unet.model.diffusion_model.middle_block[1].transformer_blocks[0].attn2.to_out
    to_q = unet.model.diffusion_model.middle_block[1].transformer_blocks[0].attn2.to_q
    queries, handles = [], [to_out.register_forward_pre_hook(spy)]
    handles.append(to_q.register_forward_hook(lambda m, a, out: queries.append(out)))
    try:
        for model in (patched, unet):
            one_step(cross_fused(model, inversion, clip), *prompts)
    finally:
        for handle in handles:
            handle.remove()
    # Everything before the middle's cross-attention is the same in both: calls 0 and 2 show the source, 1 and 3 edit.
    for ours, theirs, q in ((seen[0], seen[2], queries[0]), (seen[1], seen[3], queries[1])):
        assert rig.rms(ours - (theirs + added(q))) < 1e-6 * rig.rms(ours)


@pytest.mark.parametrize("where", variants("outside regions", "everywhere"))
def test_in_context_windows_each_frame_follows_its_own_source(unet, clip, where):
    noise, inversion, _ = invert(unet, frames=5)
    positive = bound(rig.text(2), regions(5, 16, 16))
    model = cross_fused(self_fused(unet, inversion, where), inversion, clip, where=where)
    whole, windows = (edit(m, noise, positive, last_step=1) for m in (model, rig.windowed(model)))
    close(windows, whole, edit(unet, noise, positive, last_step=1))


def test_a_prompt_with_an_area_follows_the_source_there(unet):
    """Its regions are those inside its area: with all of it covered there, nothing of it is fused."""
    _, inversion, _ = invert(unet)
    left = torch.zeros(3, 128, 128)
    left[..., :64] = 1
    areas = tuple(region._replace(mask=left) for region in regions(3, 16, 16))
    part = host.ConditioningSetArea().append(bound(rig.text(4), areas), 64, 128, 0, 0, 1.0)[0]
    prompts = part + bound(rig.text(2), areas), rig.text(3), rig.latent(seed=5)
    fused, plain = (one_step(m, *prompts) for m in (self_fused(unet, inversion, "outside regions"), unet))
    assert rig.rms(fused - plain) > 1e-3 * rig.rms(plain)
    alone = part, rig.text(3), prompts[2]
    covered, plain = (one_step(m, *alone) for m in (self_fused(unet, inversion, "outside regions"), unet))
    assert rig.rms((covered - plain)[..., :8]) < 1e-5 * rig.rms(plain)


def test_the_middle_of_dual_guidance_is_left_alone(unet, clip):
    """DualCFG: with no weight on the positive prompt, fusing that one alone changes nothing."""
    from comfy_extras.nodes_custom_sampler import Guider_DualCFG

    _, inversion, _ = invert(unet)
    x, found = rig.latent(seed=5), []
    for model in (unet, cross_fused(self_fused(unet, inversion), inversion, clip)):
        guider = Guider_DualCFG(model)
        guider.set_conds(rig.text(2), rig.text(6), rig.text(3))
        guider.set_cfg(0.0, 3.0)
        sigmas = torch.tensor([SIGMA, 0.0])
        found.append(guider.sample(torch.zeros_like(x), x, comfy.samplers.ksampler("euler"), sigmas, seed=0))
    assert rig.rms(found[0] - found[1]) < 1e-5 * rig.rms(found[0])


def test_injection_and_fusion_go_along(unet):
    """What the decoder is injected everywhere is also what self fusion would put there."""
    noise, inversion, _ = invert(unet)
    prompt = rig.text(1)
    injected = InjectSourceFeatures.execute(unet, inversion, prompt, 0.0, 1.0, role="positive").args[0]
    fused = self_fused(unet, inversion, prompt=prompt, levels="all")
    both = self_fused(injected, inversion, prompt=prompt, levels="all")
    ours, apart = (edit(model, noise) for model in (both, fused))
    assert rig.rms(ours - apart) < 1e-6 * rig.rms(apart)
    assert rig.rms(edit(injected, noise) - apart) > 1e-4 * rig.rms(apart)


@pytest.mark.parametrize("height,width", variants((15, 21), (28, 48)), ids=["odd", "wide"])
def test_any_size_goes_through(unet, clip, height, width):
    _, inversion, _ = invert(unet, frames=2, steps=2, height=height, width=width)
    areas, x = regions(2, height, width), rig.latent(2, height, width, seed=5)
    model = cross_fused(words_fused(unet, inversion, clip), inversion, clip, emphasis="porsche: 2")
    ours = one_step(model, bound(rig.text(2), areas), rig.text(3), x)
    assert torch.isfinite(ours).all()
    assert not torch.equal(ours, one_step(unet, bound(rig.text(2), areas), rig.text(3), x))


# ---- words ----------------------------------------------------------------------------------------------------------

JEEP = "a silver jeep driving down a curvy road in the countryside"


def rows_of_table(clip, source, target, mode="refine"):
    _, table = aligned_words(clip, source, target, mode, "")
    return [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in table.splitlines()[2:]]


def test_the_papers_prompts_align_as_expected(clip):
    """With CLIP's own tokenizer."""
    style = rows_of_table(clip, JEEP, f"watercolor painting of {JEEP}")
    assert style == [(word, "(new)") for word in ("watercolor", "painting", "of")] + [(w, w) for w in JEEP.split()]
    shape = rows_of_table(clip, JEEP, JEEP.replace("silver jeep", "Porsche car"))
    assert shape[:4] == [("a", "a"), ("porsche", "(new)"), ("car", "(new)"), ("driving", "driving")]
    assert shape[-2:] == [("(gone)", "silver"), ("(gone)", "jeep")] and ("(new)" not in str(shape[3:-2]))
    swan = rows_of_table(clip, "a black swan with a red beak", "a Swarovski crystal swan with a red beak")
    assert swan[1:4] == [("swarovski", "(new)"), ("crystal", "(new)"), ("swan", "swan")]  # one word, three tokens
    bear = rows_of_table(clip, "a brown bear walking", "a red tiger walking", "replace")
    assert bear == [("a", "a"), ("red", "brown"), ("tiger", "bear"), ("walking", "walking")]


def test_weights_and_long_prompts_align_too(clip):
    rows = rows_of_table(clip, "a (silver:1.3) jeep", "a silver (old jeep:0.7)")
    assert rows == [("a", "a"), ("silver", "silver"), ("old", "(new)"), ("jeep", "jeep")]
    long = " ".join(["a cat sits on a chair beside a dog"] * 10)
    words, _ = aligned_words(clip, "a cat", long, "refine", "dog: 2")
    assert words.taken.shape == (77, 154) and (words.gains == 2).sum() == 10
    assert read(clip, "a Swarovski swan").spelling == ("a", "swarovski", "swan")


def test_an_empty_source_prompt_is_told(unet, clip, caplog):
    _, inversion, _ = invert(unet)
    cross_fused(unet, inversion, clip, texts=(" ", NEW))
    assert "Cross-Attention Fusion's `source_prompt` is empty" in caplog.text


def test_a_word_that_is_not_there_is_told_with_the_closest(unet, clip, caplog):
    _, inversion, _ = invert(unet)
    with pytest.raises(ValueError, match=r'`emphasis` names "water color", .* The closest there is "watercolor'):
        cross_fused(unet, inversion, clip, emphasis="silver: 2\nwater color: 10")
    with pytest.raises(
        ValueError, match=r'`words` names "jeeps", .*"a silver jeep on a road".* closest there is "jeep'
    ):
        words_fused(unet, inversion, clip, words="silver, jeeps")
    with pytest.raises(ValueError, match=r"“outside words” needs `clip`, `source_prompt` and `words`"):
        self_fused(unet, inversion, "outside words", clip=clip, source_prompt=OLD)
    with pytest.raises(ValueError, match=r"needs a word for each word"):
        cross_fused(unet, inversion, clip, "replace")
    with pytest.raises(ValueError, match=r"`clip` is empty"):
        cross_fused(unet, inversion, None)
    with pytest.raises(ValueError, match=r"`start_percent` \(0.6\) lies after its `end_percent` \(0.5\)"):
        cross_fused(unet, inversion, clip, start=0.6, end=0.5)
    cross_fused(unet, inversion, clip, emphasis="silver: 10")
    assert "emphasises" not in caplog.text
    cross_fused(unet, inversion, clip, emphasis="silver: 12")
    assert 'emphasises "silver" by 12' in caplog.text


# ---- what does not fit ----------------------------------------------------------------------------------------------


def test_clashes_are_told_before_the_model_runs(unet, clip):
    modulated = st_layout(unet, end_percent=0.5)
    noise, inversion, _ = invert(modulated)
    words = bound(rig.text(2), regions(3, 16, 16))
    texts = (OLD, "a red porsche on a road")
    full = self_fused(modulated, inversion)
    fails(
        r"Self-Attention Fusion.*“everywhere” would overwrite.*“outside regions”.*`start_percent` 0.5",
        full,
        noise,
        words,
    )
    replaced = cross_fused(modulated, inversion, clip, "replace", texts=texts)
    fails(r"`mode` “replace”.*Choose “refine”.*`start_percent` 0.5", replaced, noise, words)
    everywhere = cross_fused(modulated, inversion, clip, where="everywhere")
    fails(r"Cross-Attention Fusion with `where` “everywhere” would overwrite", everywhere, noise, words)
    for fits in (
        self_fused(modulated, inversion, start=0.5),
        cross_fused(modulated, inversion, clip, "replace", texts=texts, start=0.5),
        self_fused(modulated, inversion, "outside regions"),
        cross_fused(modulated, inversion, clip),
    ):
        assert torch.isfinite(edit(fits, noise, words, last_step=1)).all()


def test_what_does_not_fit_is_told_before_the_model_runs(unet, clip):
    noise, inversion, _ = invert(unet)
    fused = self_fused(unet, inversion)
    fails(
        r"inversion's clip is 3 frames .*Self-Attention Fusion needs the same clip",
        fused,
        {"samples": noise["samples"][:2]},
    )
    fails(r"adds fresh noise.*through Self-Attention Fusion", fused, noise, noise=True)
    fails(r'inverted with self-attention seeing "own"', full_frame(fused), noise)
    fails(
        r"`where` is “outside regions”, but the sampler's `positive`",
        self_fused(unet, inversion, "outside regions"),
        noise,
    )
    with pytest.raises(ValueError, match="passed through Self-Attention Fusion already"):
        self_fused(fused, inversion)
    crossed = cross_fused(unet, inversion, clip)
    fails(r"`positive` holds several texts", crossed, noise, rig.text(2) + rig.text(4))
    short = rig.text(2, tokens=40)
    fails(r"`prompt` is encoded in 77 tokens, but the sampler's `positive` has 40", crossed, noise, short)
    mismatched = cross_fused(unet, inversion, clip, prompt=rig.text(1, tokens=40))
    fails(r"`source_prompt` is encoded in 77 tokens, but its `conditioning` has 40", mismatched, noise)
    with pytest.raises(ValueError, match=r"`source_prompt` is encoded in 77 tokens, but its `conditioning` has 40"):
        words_fused(unet, inversion, clip, prompt=rig.text(1, tokens=40))


@pytest.mark.parametrize("call", variants(2, 1))  # of the edit, of the source
def test_an_interrupted_run_leaves_nothing(unet, clip, call, monkeypatch):
    import comfy.model_management

    sources, calls, announce = [], [], Source.announce
    monkeypatch.setattr(Source, "announce", lambda self, guider: (sources.append(self), announce(self, guider)))
    noise, inversion, _ = invert(unet)
    model = cross_fused(self_fused(unet, inversion), inversion, clip)
    expected = edit(model, noise)

    def fail(q, k, v, extra):
        calls.append(1)
        if len(calls) == call:
            raise comfy.model_management.InterruptProcessingException
        return comfy.ldm.modules.attention.optimized_attention(q, k, v, extra["n_heads"])

    faulty = model.clone()
    faulty.set_model_attn2_replace(fail, "output", 5)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        edit(faulty, noise)
    assert not any(source._features or source.places for source in sources)
    assert torch.equal(edit(model, noise), expected)
