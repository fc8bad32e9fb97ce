"""Save Inversion and Load Inversion in the real host: a re-edit without inversion, and what differs is told."""

import folder_paths
import pytest
import rig
import torch

from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.inversion_file import LoadInversion, SaveInversion
from pack.videograin.host import inversion_files


@pytest.fixture(autouse=True)
def _no_gradients(tmp_path, monkeypatch):
    for kind in ("output", "input"):
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def unet():
    return rig.random_unet()


@pytest.fixture
def inverted(unet):
    return DDIMInversion.execute(unet, rig.text(1), {"samples": rig.latent()}, 4, "ddim_uniform", 1).args


def edited(unet, noise, inversion):
    blended = LatentBlend.execute(unet, "inversion", inversion, mask=half()).args[0]
    return rig.sample(blended, rig.text(2), rig.text(3), noise["samples"], steps=4)


def half():
    mask = torch.zeros(1, 128, 128)
    mask[..., 64:] = 1
    return mask


def test_a_loaded_inversion_edits_like_the_fresh_one(unet, inverted):
    noise, inversion, sigmas = inverted
    name = SaveInversion.execute(inversion, noise, "runs/two").args[0]
    assert name == "output/inversions/runs/two_00001_.safetensors" and inversion_files.listed() == [name]
    start, back, levels = LoadInversion.execute(name, unet, {"samples": rig.latent()}).args
    assert torch.equal(levels, sigmas.float())
    assert torch.equal(edited(unet, start, back), edited(unet, noise, inversion))


def test_names_count_up_and_the_newest_is_listed_first(inverted):
    noise, inversion, _ = inverted
    first, second = (SaveInversion.execute(inversion, noise, "clip", p).args[0] for p in ("fp32", "fp16"))
    assert second.endswith("clip_00002_.safetensors")
    assert set(inversion_files.listed()) == {first, second}
    options = next(i for i in LoadInversion.define_schema().inputs if i.id == "file").options
    assert set(options) == {first, second}


def test_what_differs_is_told(unet, inverted):
    noise, inversion, _ = inverted
    name = SaveInversion.execute(inversion, noise, "clip").args[0]
    with pytest.raises(ValueError, match=r"inverted with another model.*Load Inversion's `model`"):
        LoadInversion.execute(name, rig.random_unet(context_dim=64))
    full = FullFrameAttention.execute(unet, "all frames").args[0]
    with pytest.raises(ValueError, match=r'self-attention seeing "own".*Load Inversion\'s `model` sees "all'):
        LoadInversion.execute(name, full)
    with pytest.raises(ValueError, match=r"\(3, 4, 16, 16\).*`latent` is \(2, 4, 16, 16\)"):
        LoadInversion.execute(name, unet, {"samples": rig.latent(2)})
    other = rig.latent()
    other[1] += 1
    with pytest.raises(ValueError, match=r"another clip.*1 of 3 frames, first in frame 1"):
        LoadInversion.execute(name, unet, {"samples": other})
    with pytest.raises(ValueError, match="Connect both outputs of one DDIM Inversion"):
        SaveInversion.execute(inversion, {"samples": rig.latent(2)}, "clip")


@pytest.mark.parametrize(
    "name", ["", "../secret.safetensors", "output/inversions/../../x.safetensors", "/etc/passwd", "input/inversions/\0"]
)
def test_names_that_lead_elsewhere_are_refused(name):
    assert "may only name" in LoadInversion.validate_inputs(name)
    with pytest.raises(ValueError, match="may only name"):
        LoadInversion.execute(name)


def test_a_link_out_of_the_folder_is_refused_and_not_listed(tmp_path):
    (tmp_path / "output" / "inversions").mkdir(parents=True)
    (tmp_path / "outside.safetensors").write_bytes(b"secret")
    (tmp_path / "output" / "inversions" / "a.safetensors").symlink_to(tmp_path / "outside.safetensors")
    assert inversion_files.listed() == []
    assert "may only name" in LoadInversion.validate_inputs("output/inversions/a.safetensors")


def test_a_missing_file_and_a_changed_one_are_noticed(inverted):
    assert "Run Save Inversion first" in LoadInversion.validate_inputs("output/inversions/none.safetensors")
    noise, inversion, _ = inverted
    name = SaveInversion.execute(inversion, noise, "clip").args[0]
    assert LoadInversion.validate_inputs(name) is True
    before = LoadInversion.fingerprint_inputs(name)
    inversion_files.resolve(name).write_bytes(b"something else")
    assert before and LoadInversion.fingerprint_inputs(name) != before
    with pytest.raises(ValueError, match="damaged"):
        LoadInversion.execute(name)
