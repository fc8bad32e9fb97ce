"""Invert Clip: the same as the nodes that it stands for, and kept by what it is made of, not by who wrote the words."""

import logging
from pathlib import Path

import comfy.hooks
import folder_paths
import nodes as host
import pytest
import torch
from recipe import full_frame

from pack.nodes.demo import LoadDemoModel
from pack.nodes.inversion import DDIMInversion
from pack.nodes.invert_clip import InvertClip
from pack.videograin.jobs import invert, invert_clip

STEPS, WORDS = 2, "a cat on grass"
pytestmark = [pytest.mark.usefixtures("inference_mode"), pytest.mark.once]


@pytest.fixture(scope="module")
def demo():
    return LoadDemoModel.execute().args


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    return tmp_path / invert_clip.FOLDER


@pytest.fixture
def walks(monkeypatch):
    """One entry for every inversion that is walked."""
    found, walk = [], invert.invert
    monkeypatch.setattr(invert_clip.invert, "invert", lambda *given, **more: found.append(1) or walk(*given, **more))
    return found


def frames(seed=0):
    return torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(seed))


def inverted(demo, model=None, clip=None, words=WORDS, steps=STEPS, refinements=0):
    unet, text, vae = demo[:3]
    return InvertClip.execute(
        model or unet, text, vae, frames() if clip is None else clip, words, steps, refinements
    ).args


def same(found, expected):
    (noise, inversion, sigmas), (other, before, levels) = found, expected
    return all(
        torch.equal(a, b)
        for a, b in ((noise["samples"], other["samples"]), (sigmas, levels), *zip(inversion[:3], before[:3], strict=True))
    ) and inversion[3:] == before[3:]  # fmt: skip


def test_it_is_what_its_parts_give_and_the_second_time_it_is_kept(demo, store, walks):
    unet, text, vae = demo[:3]
    latent = host.VAEEncode().encode(vae, frames())[0]
    conditioning = host.CLIPTextEncode().encode(text, WORDS)[0]
    parts = DDIMInversion.execute(unet, conditioning, latent, STEPS, "ddim_uniform", 0).args
    assert same(inverted(demo), parts) and len(walks) == 2  # DDIM Inversion's too
    assert same(inverted(demo), parts) and len(walks) == 2
    assert len(list(store.iterdir())) == 1


@pytest.mark.parametrize(
    "other",
    [{"words": "a dog on grass"}, {"clip": frames(1)}, {"steps": 3}, {"refinements": 1}],
    ids=lambda each: next(iter(each)),
)
def test_another_clip_or_walk_inverts_anew(demo, store, walks, other):
    before = inverted(demo)
    assert not torch.equal(inverted(demo, **other)[0]["samples"], before[0]["samples"]) and len(walks) == 2


@pytest.mark.parametrize(
    "change", [lambda model: full_frame(model), lambda model: patched(model)], ids=["frames seen", "LoRA"]
)
def test_another_model_inverts_anew(demo, store, walks, change):
    before = inverted(demo)
    found = inverted(demo, change(demo[0]))
    assert not torch.equal(found[0]["samples"], before[0]["samples"]) and len(walks) == 2


def patched(model):
    """As a LoRA does it."""
    clone = model.clone()
    name = next(key for key in model.model_state_dict() if key.endswith("attn1.to_v.weight"))
    clone.add_patches({name: (torch.ones_like(model.model_state_dict()[name]),)}, 0.05)
    return clone


def test_a_kept_inversion_says_again_which_frames_may_come_back_changed(demo, store, walks, caplog):
    for _ in range(2):
        caplog.clear()
        inverted(demo, refinements=1)
        assert "may come back changed" in caplog.text
    assert len(walks) == 1


def test_a_damaged_file_costs_time_and_nothing_else(demo, store, walks, caplog):
    before = inverted(demo)
    (file,) = store.iterdir()
    Path(file).write_bytes(file.read_bytes()[:-40])
    with caplog.at_level(logging.WARNING, "videograin"):
        assert same(inverted(demo), before) and len(walks) == 2
    assert "inverts anew" in caplog.text


def test_old_ones_make_room(demo, store, monkeypatch):
    monkeypatch.setattr(invert_clip, "ROOM", 0)
    inverted(demo)
    inverted(demo, words="a dog on grass")
    assert len(list(store.iterdir())) == 1


def test_what_others_remove_meanwhile_costs_nothing(demo, store):
    store.mkdir(parents=True)
    (store / "gone.safetensors").symlink_to(store / "nowhere")
    assert len(inverted(demo)) == 3


def test_words_whose_weights_are_not_known_are_not_kept(demo, store, walks):
    """A CLIP's hooks change the model's weights while it samples; no fingerprint sees by how much."""
    hooked = demo[1].clone()
    hooked.apply_hooks_to_conds = comfy.hooks.create_hook_lora({}, 1.0, 0.0)
    for _ in range(2):
        inverted((demo[0], hooked, demo[2]))
    assert len(walks) == 2 and not store.exists()
