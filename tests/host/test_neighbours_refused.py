"""What cannot work with ours is refused: named, with the fix, before anything is sampled or at the network's first call."""

import nodes as host
import pytest
import rig
import torch
from compatibility import REFUSED, claim
from neighbours import prompts
from recipe import st_layout

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion

pytestmark = pytest.mark.usefixtures("inference_mode")


def half(frames=1):
    mask = torch.zeros(frames, 128, 128)
    mask[:, :64] = 1
    return mask


def fails(message, model, positive, negative, x, noise=True, **options):
    """The error comes at the latest in the first call of the network, of which nothing comes out."""
    done = []

    def spy(apply, args):
        out = apply(args["input"], args["timestep"], **args["c"])
        done.append(1)
        return out

    model = model.clone()
    model.set_model_unet_function_wrapper(spy)
    with pytest.raises(ValueError, match=message):
        rig.sample(model, positive, negative, x, noise, **options)
    assert not done


def in_tiles(model):
    """As Tiled Diffusion's: the left and the right half of the picture, one after the other."""

    def halves(apply, args):
        return torch.cat([apply(x.contiguous(), args["timestep"], **args["c"]) for x in args["input"].chunk(2, -1)], -1)

    model = model.clone()
    model.set_model_unet_function_wrapper(halves)
    return model


@claim("neighbour", "Tiled Diffusion (parts of the picture), with regions or source features", REFUSED)
def test_parts_of_the_picture_have_no_regions(unet):
    positive, negative = prompts()[:2]
    with pytest.raises(
        ValueError, match=r"shows 8×16 latent cells of a picture of 16×16.*Tiled Diffusion.*Remove that node"
    ):
        rig.sample(in_tiles(st_layout(unet)), positive, negative, rig.latent(), True)


def test_attention_over_all_frames_works_in_tiles(unet):
    """Each tile is a smaller picture, in which every frame sees all others."""
    x, words = rig.latent(), (rig.text(1), rig.text(2))
    model = FullFrameAttention.execute(unet, "all frames").args[0]
    ours = rig.sample(in_tiles(model), *words, x, True, steps=1)
    assert torch.isfinite(ours).all() and not torch.equal(ours, rig.sample(in_tiles(unet), *words, x, True, steps=1))


@claim("neighbour", "torch.compile in the network's place", REFUSED)
def test_a_network_compiled_in_its_place(unet):
    model = unet.clone()
    model.add_object_patch("diffusion_model", torch.compile(unet.model.diffusion_model, backend="eager"))
    with pytest.raises(ValueError, match=r"compiled as a whole.*TorchCompileModel"):
        FullFrameAttention.execute(model, "all frames")


# ---- at the network's first call ------------------------------------------------------------------------------------


def attention_couple(model, copies=2):
    """As cgem156's and ppm's: before attention each region's prompt gets rows of its own, after it they are mixed."""

    def grown(q, k, v, extra):
        return (x.repeat(copies, 1, 1) for x in (q, k, v))

    def mixed(out, extra):
        return sum(out.chunk(copies)) / copies

    model = model.clone()
    model.set_model_attn2_patch(grown)
    model.set_model_attn2_output_patch(mixed)
    return model


@claim("neighbour", "Attention couple by rows for each region (ppm, cgem156)", REFUSED)
def test_attention_couple_is_refused_with_its_name(unet):
    message = (
        rf"cross-attention of block input 1 gets 8 rows of 256 tokens, where 4 rows of 256 were expected.*{__name__}"
        ".*attention couple.*Remove that node.*Bind Region Prompts.*`cross_strength` to 0"
    )
    for model in (attention_couple(st_layout(unet)), st_layout(attention_couple(unet))):
        fails(message, model, *prompts(2))


def test_the_fix_that_attention_couples_message_names_works(unet):
    """Without modulated words the two go along, on the regions' shapes."""
    positive, negative, x = prompts(2)
    shapes = STLayoutAttention.execute(unet, "paper", 0.3, 0.0, 1.0, power=5.0).args[0]
    run = {"steps": 2}
    coupled = rig.sample(attention_couple(shapes), positive, negative, x, True, **run)
    # Rows that are all alike mix to themselves.
    assert rig.rms(coupled - rig.sample(shapes, positive, negative, x, True, **run)) < 1e-4 * rig.rms(coupled)


def merged(model):
    from comfy_extras.nodes_tomesd import TomePatchModel

    return TomePatchModel.execute(model, 0.3)[0]


def tiled(model):
    from comfy_extras.nodes_hypertile import HyperTile

    return HyperTile.execute(model, 32, 2, 0, False)[0]


@pytest.mark.parametrize(
    "neighbour, found, size",
    [
        pytest.param(merged, r"4 rows of 180 tokens", 16, marks=claim("neighbour", "ToMe at modulated sites", REFUSED)),
        pytest.param(
            tiled, r"\d+ rows of \d+ tokens", 32, marks=claim("neighbour", "HyperTile at modulated sites", REFUSED)
        ),
    ],
    ids=["ToMe", "HyperTile"],
)
def test_merged_and_tiled_tokens_are_refused_where_we_modulate(unet, neighbour, found, size):
    torch.manual_seed(0)
    message = (
        rf"self-attention of block input 1 gets {found}, where 4 rows of {size * 16} were expected.*comfy_extras.nodes_"
        ".*HyperTile and ToMe.*Remove that node.*`levels` to “below full resolution”.*`self_strength` to 0"
    )
    fails(message, neighbour(st_layout(unet)), *prompts(2, size, 16))


@pytest.mark.parametrize("neighbour", [merged], ids=["ToMe"])
def test_the_fix_that_its_message_names_works(unet, neighbour):
    positive, negative, x = prompts(2)
    model = STLayoutAttention.execute(unet, "paper", 0.3, 1.0, 1.0, power=5.0, levels="below full resolution").args[0]
    ours = rig.sample(neighbour(model), positive, negative, x, True, steps=2)
    assert torch.isfinite(ours).all()
    assert not torch.equal(ours, rig.sample(neighbour(unet), positive, negative, x, True, steps=2))


# ---- before sampling ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=claim("neighbour", f"{name} in inversion", REFUSED))
        for name in ("LazyCache", "EasyCache")
    ],
)
def test_a_step_cache_in_inversion_is_refused(unet, name):
    import comfy_extras.nodes_easycache as nodes

    cached = getattr(nodes, f"{name}Node").execute(unet, 0.2, 0.15, 0.95, False)[0]
    for model in (cached, FullFrameAttention.execute(cached, "all frames").args[0]):
        with pytest.raises(
            ValueError, match=rf"cache \({name.lower()}\) is active on DDIM Inversion's `model`.*before"
        ):
            DDIMInversion.execute(model, rig.text(1), {"samples": rig.latent()}, 4, "normal", 0)


@claim("neighbour", "A noise_mask with an INVERSION", REFUSED)
def test_a_noise_mask_beside_an_inversion_is_refused(unet):
    noise, inversion, _ = DDIMInversion.execute(unet, rig.text(1), {"samples": rig.latent(2)}, 3, "normal", 0).args
    model = LatentBlend.execute(unet, "inversion", inversion, mask=half()).args[0]
    masked = host.SetLatentNoiseMask().set_mask(noise, half(2))[0]
    message = r"Set Latent Noise Mask.*InpaintModelConditioning with its `noise_mask` on.*Latent Blend's `mask`"
    fails(message, model, rig.text(1), rig.text(2), masked["samples"], False, steps=3, scheduler="normal",
          noise_mask=masked["noise_mask"])  # fmt: skip


def inpaint_unet():
    unet = rig.small_unet(in_channels=9)
    unet.model.set_inpaint()
    return unet


def shown(conditioning, picture):
    """As InpaintModelConditioning puts it on a prompt."""
    return [
        [text, {**notes, "concat_latent_image": picture, "concat_mask": half()[None]}] for text, notes in conditioning
    ]


@claim("neighbour", "An inpaint checkpoint without its own picture", REFUSED)
def test_an_inpaint_checkpoint_needs_the_picture_it_completes():
    unet, source = inpaint_unet(), {"samples": rig.latent(2)}
    with pytest.raises(
        ValueError, match=r"inpaint checkpoint.*DDIM Inversion's `conditioning` brings none.*InpaintModel"
    ):
        DDIMInversion.execute(unet, rig.text(1), source, 3, "normal", 0)
    noise, inversion, _ = DDIMInversion.execute(
        unet, shown(rig.text(1), source["samples"]), source, 3, "normal", 0
    ).args
    model = LatentBlend.execute(unet, "inversion", inversion, mask=half()).args[0]
    run = {"noise": False, "steps": 3, "scheduler": "normal"}
    pictured = shown(rig.text(2), source["samples"])
    fails(
        r"the sampler's `negative` prompt brings none.*`noise_mask` off",
        model,
        pictured,
        rig.text(3),
        noise["samples"],
        **run,
    )
    both = pictured, shown(rig.text(3), source["samples"])
    assert torch.isfinite(rig.sample(model, *both, noise["samples"], **run)).all()


@claim("neighbour", "DiT models", REFUSED)
def test_a_transformer_model_is_refused():
    import comfy.model_patcher
    import comfy.supported_models

    shape = {"dim": 32, "n_layers": 1, "n_double_layers": 1, "n_heads": 2, "global_conddim": 32, "cond_seq_dim": 16}
    network = comfy.model_base.AuraFlow(comfy.supported_models.AuraFlow({**shape, "dtype": torch.float32}))
    dit = comfy.model_patcher.ModelPatcher(network, torch.device("cpu"), torch.device("cpu"))
    message = r"works on Stable Diffusion UNets \(SD 1.x, SD 2.x, SDXL\) and Wan 2.1 and 2.2 .*, but its `model` input is a MMDiT"
    for use in (
        lambda: FullFrameAttention.execute(dit, "all frames"),
        lambda: st_layout(dit),
        lambda: DDIMInversion.execute(dit, rig.text(1), {"samples": rig.latent()}, 4, "normal", 0),
    ):
        with pytest.raises(ValueError, match=message):
            use()
