"""Save Inversion and Load Inversion in the real host: a re-edit without inversion, and what differs is told."""

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import rig
import torch
from compatibility import SURVIVED, claim
from recipe import invert

from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion_file import LoadInversion, SaveInversion
from pack.videograin.comfyui import inversion_files
from pack.videograin.storage import safetensors_stream

pytestmark = pytest.mark.usefixtures("inference_mode", "private_folders")


@pytest.fixture
def inverted(unet):
    return invert(unet, refinements=1)


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
    with pytest.raises(ValueError, match=r"`noise` is the clip itself.*DDIM Inversion's `noise`"):
        SaveInversion.execute(inversion, {"samples": inversion.source}, "clip")


def test_no_prefix_overwrites_what_another_wrote(inverted):
    """Core counts "mine/" from 1 each time."""
    noise, inversion, _ = inverted
    prefixes = ("mine", "mine", "mine/", "mine/.", "sub/mine", "sub/mine/")
    names = [SaveInversion.execute(inversion, noise, prefix).args[0] for prefix in prefixes]
    assert len(set(names)) == len(names) and set(inversion_files.listed()) == set(names)


@pytest.mark.parametrize("prefix", ["x" * 240, "a:b", "nul", "a/" * 2000 + "b", "\ud800", "what?"])
def test_a_prefix_that_not_every_system_can_have_is_refused(inverted, prefix):
    noise, inversion, _ = inverted
    with pytest.raises(ValueError, match=r"`filename_prefix` .*not every system can have") as error:
        SaveInversion.execute(inversion, noise, prefix)
    assert len(str(error.value)) < 400


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


def test_links_to_nowhere_and_in_circles_do_not_spoil_the_list(tmp_path, inverted):
    noise, inversion, _ = inverted
    name = SaveInversion.execute(inversion, noise, "clip").args[0]
    folder = tmp_path / "output" / "inversions"
    (folder / "gone.safetensors").symlink_to(folder / "deleted.safetensors")
    (folder / "circle.safetensors").symlink_to(folder / "circle.safetensors")
    (folder / "folder.safetensors").mkdir()
    assert inversion_files.listed() == [name]
    for file in ("gone", "circle", "folder"):
        assert LoadInversion.validate_inputs(f"output/inversions/{file}.safetensors") is not True


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


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(
            lambda file: file[: len(file) // 2], id="cut", marks=claim("fault", "A saved inversion cut off", SURVIVED)
        ),
        pytest.param(
            lambda file: file[:-9] + bytes([file[-9] ^ 16]) + file[-8:],
            id="bit",
            marks=claim("fault", "A saved inversion with one bit changed", SURVIVED),
        ),
    ],
)
def test_a_damaged_file_is_refused_and_saving_again_mends_it(unet, inverted, damage):
    noise, inversion, _ = inverted
    name = SaveInversion.execute(inversion, noise, "clip").args[0]
    path = inversion_files.resolve(name)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"clip_00001_\.safetensors is damaged.*Invert the clip again"):
        LoadInversion.execute(name, unet)
    again = SaveInversion.execute(inversion, noise, "clip").args[0]
    start, back, _ = LoadInversion.execute(again, unet).args
    assert torch.equal(back.latents, inversion.latents) and torch.equal(start["samples"], noise["samples"])


KILLED = """
    import resource, runpy, signal, sys
    import torch
    runpy.run_path(sys.argv[1])["import_pack"]()
    from pathlib import Path
    from pack.videograin.storage import inversion_file
    from pack.videograin.core.inversion_record import Inversion

    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python would make an exception of it, and tidy up
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    latents, source, noise = torch.randn(5, 3, 4, 16, 16), torch.randn(3, 4, 16, 16), torch.randn(3, 4, 16, 16)
    inversion = Inversion(latents, torch.linspace(14, 0, 5), source, "own", "0123", "BaseModel")
    inversion_file.write(Path(sys.argv[2]), inversion, noise, "fp32")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on a file's size")
@claim("fault", "ComfyUI killed while saving an inversion", SURVIVED)
def test_killed_in_the_middle_of_a_file(unet, inverted):
    """The kernel ends the process at the 50000th byte, with no chance to tidy up."""
    noise, inversion, _ = inverted
    folder = inversion_files.roots()["output/inversions"]
    script = Path(__file__).parents[2] / "tools" / "inprocess.py"
    killed = [sys.executable, "-c", textwrap.dedent(KILLED), script, folder / "clip_00001_.safetensors"]
    assert subprocess.run(killed).returncode < 0
    (part,) = folder.iterdir()
    assert part.name.endswith(".part") and part.stat().st_size == 50_000
    assert inversion_files.listed() == []
    assert LoadInversion.validate_inputs(f"output/inversions/{part.name}") is not True

    name = SaveInversion.execute(inversion, noise, "clip").args[0]
    assert part.exists()  # another ComfyUI might be at it
    assert torch.equal(LoadInversion.execute(name, unet).args[1].latents, inversion.latents)
    hours_ago = part.stat().st_mtime - 2 * safetensors_stream.ABANDONED
    os.utime(part, (hours_ago, hours_ago))
    SaveInversion.execute(inversion, noise, "clip")
    assert not list(folder.glob("*.part")) and len(inversion_files.listed()) == 2


@pytest.mark.parametrize("number", [errno.EROFS, errno.EFBIG])
def test_a_disk_that_cannot_be_written(unet, inverted, monkeypatch, number):
    noise, inversion, _ = inverted

    def fails(part, path):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(safetensors_stream.os, "replace", fails)
    with pytest.raises(
        ValueError, match=rf"Save Inversion writes into .*cannot be written: {os.strerror(number)}\. Free"
    ):
        SaveInversion.execute(inversion, noise, "clip")
    assert not list(inversion_files.roots()["output/inversions"].iterdir())


@claim("fault", "Disk full while saving an inversion", SURVIVED)
def test_a_full_disk(unet, inverted, monkeypatch):
    noise, inversion, _ = inverted

    def full(part, path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(safetensors_stream.os, "replace", full)
    with pytest.raises(
        ValueError, match=r"Save Inversion writes into .*the disk is full\. Free space.*`precision` fp16"
    ) as told:
        SaveInversion.execute(inversion, noise, "clip")
    assert str(inversion_files.roots()["output/inversions"]) not in str(told.value)
    assert not list(inversion_files.roots()["output/inversions"].iterdir())
    monkeypatch.undo()
    name = SaveInversion.execute(inversion, noise, "clip").args[0]
    assert name.endswith("clip_00001_.safetensors")
    assert torch.equal(LoadInversion.execute(name, unet).args[1].latents, inversion.latents)
