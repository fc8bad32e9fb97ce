"""Training the demo model: what is exported, and which latents a painter learns from."""

import numpy as np
import pytest
import torch

from pack.demo.training import diffusion
from pack.demo.training.export import export
from pack.demo.training.files import TrainingError, checksum, write
from pack.demo.training.run import NEEDS, initialise, made_from
from pack.videograin.toybox import world
from pack.videograin.toybox.model import Autoencoder
from pack.videograin.toybox.scenes import Scenes

pytestmark = pytest.mark.once

STEPS = {"vae": 4, "judge": 3, "diffusion": 2, "control": 1}


@pytest.fixture
def trained(tmp_path):
    """A training folder whose stages, of one weight each, have done their steps; and a folder with older files."""
    root, shipped = tmp_path / "training", tmp_path / "shipped"
    for name in NEEDS:
        (root / name).mkdir(parents=True)
        leave(root, name, STEPS[name])
    shipped.mkdir()
    (shipped / "vae.safetensors").write_bytes(b"older")
    return root, shipped


def leave(root, name, step, weight=0.0):
    state = {"step": step, "made_from": made_from(root, name), "average": {"values": [torch.tensor(weight)]}}
    write(state, root / name / "state.pt")


def assert_refused(root, shipped, message):
    with pytest.raises(TrainingError, match=message):
        export(root, STEPS, shipped)
    assert [(file.name, file.read_bytes()) for file in shipped.iterdir()] == [("vae.safetensors", b"older")]


def test_a_half_trained_model_replaces_nothing(trained):
    root, shipped = trained
    leave(root, "diffusion", 1)
    (root / "control" / "state.pt").unlink()
    assert_refused(root, shipped, r"diffusion \(1 of 2 steps\), control \(0 of 1 steps\)")


def test_a_painter_of_another_autoencoder_is_not_exported(trained):
    root, shipped = trained
    leave(root, "vae", 5, weight=1.0)
    assert_refused(root, shipped, r"judge/state\.pt was trained on an earlier state of: vae")


def test_an_export_that_fails_leaves_the_older_files(trained):
    root, shipped = trained
    with pytest.raises(ValueError):  # these weights are no autoencoder's
        export(root, STEPS, shipped)
    assert [(file.name, file.read_bytes()) for file in shipped.iterdir()] == [("vae.safetensors", b"older")]


def autoencoder(seed):
    torch.manual_seed(seed)
    vae = Autoencoder()
    initialise(vae)
    return vae.eval().requires_grad_(False)


def test_a_pool_has_the_latents_of_the_autoencoder_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(diffusion, "POOL", 50)
    words, first, second = diffusion.Words(), autoencoder(1), autoencoder(2)

    def latents(vae):
        drawn_by = np.random.default_rng(0)
        return diffusion.Pool(
            tmp_path / "pool.pt", checksum(vae.parameters()), Scenes(world.sprites(), 64), vae, words, drawn_by
        ).latents

    old = latents(first)
    assert old.shape == (50, 4, 8, 8)
    assert torch.equal(latents(first), old)
    new = latents(second)
    assert not torch.allclose(new, old, atol=0.05)
    assert torch.equal(latents(second), new)
