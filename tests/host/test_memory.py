"""What is held in memory: the trajectory's precision, and what ComfyUI is told before it loads the model."""

import errno
import gc
from functools import partial
from pathlib import Path

import comfy.model_management
import folder_paths
import pytest
import recipe
import rig
import torch
from compatibility import SURVIVED, claim
from oracle import bound, regions

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion_file import LoadInversion, SaveInversion
from pack.videograin.comfyui import memory
from pack.videograin.comfyui.plan import records
from pack.videograin.storage import memmap

invert = partial(recipe.invert, refinements=1)
pytestmark = [pytest.mark.once, pytest.mark.usefixtures("inference_mode", "private_output")]


def edited(model, noise, inversion):
    mask = torch.zeros(1, 128, 128)
    mask[..., 64:] = 1
    blended = LatentBlend.execute(model, "inversion", inversion, mask=mask).result[0]
    return rig.sample(blended, rig.text(2), rig.text(3), noise["samples"], steps=4)


def test_halves_take_half_and_edit_alike(unet):
    """`noise` and `source` are exact; the edit differs by what a half rounds."""
    noise, single, _ = invert(unet, precision="fp32")
    same, half, _ = invert(unet, precision="fp16")
    assert torch.equal(noise["samples"], same["samples"]) and torch.equal(single.source, half.source)
    assert 2 * half.latents.nbytes == single.latents.nbytes
    assert half.at(3.0).dtype == torch.float32
    assert rig.rms(half.at(3.0) - single.at(3.0)) < 1e-3 * rig.rms(single.at(3.0))
    expected, ours = edited(unet, noise, single), edited(unet, noise, half)
    assert 0 < rig.rms(ours - expected) < 3e-3 * rig.rms(expected)
    cells = slice(0, 6)  # well outside the mask: pasted from the source
    assert torch.equal(ours[..., cells], expected[..., cells])


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_both_precisions_come_back_from_a_file(unet, precision):
    noise, inversion, _ = invert(unet, precision=precision)
    for saved in ("fp32", "fp16"):
        name = SaveInversion.execute(inversion, noise, "clip", saved).result[0]
        start, loaded, _ = LoadInversion.execute(name, unet).result
        narrow = "fp16" in (precision, saved)
        assert loaded.latents.dtype == (torch.float16 if narrow else torch.float32)
        assert torch.equal(loaded.latents.float(), inversion.latents.to(loaded.latents.dtype).float())
        assert torch.equal(start["samples"], noise["samples"])


def test_a_long_clip_is_kept_in_a_file_and_edits_to_the_same_bits(unet, monkeypatch):
    folder = Path(folder_paths.get_temp_directory())
    noise, held, _ = invert(unet, precision="fp32")
    monkeypatch.setattr(memmap, "IN_MEMORY", 0)
    before = set(folder.glob("*")) if folder.exists() else set()
    start, spilled, _ = invert(unet, precision="fp32")
    (file,) = set(folder.glob("*")) - before
    assert file.stat().st_size >= spilled.latents.nbytes
    assert torch.equal(start["samples"], noise["samples"]) and torch.equal(spilled.latents, held.latents)
    assert torch.equal(edited(unet, noise, spilled), edited(unet, noise, held))
    del spilled
    gc.collect()
    assert not file.exists()


@claim("fault", "Disk full where levels are kept in a file", SURVIVED)
def test_a_full_disk_is_told_before_sampling(unet, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(memmap, "IN_MEMORY", 0)
    monkeypatch.setattr(memmap, "_blank_file", full)
    with pytest.raises(ValueError, match=r"disk is full.*`precision` fp16") as told:
        invert(unet, precision="fp32")
    assert folder_paths.get_temp_directory() not in str(told.value)


def test_zero_terminal_snr_keeps_single_precision(unet):
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    model = ModelSamplingDiscrete().patch(unet, "eps", True)[0]
    top = float(model.get_model_object("model_sampling").sigma_max)
    assert top > 1000
    _, inversion, _ = invert(model, precision="fp16", sigmas=torch.tensor([top, 10.0, 1.0, 0.0]))
    assert inversion.latents.dtype == torch.float32


def required(model, monkeypatch, conditioning=None):
    """What core's sampling asks memory management to free."""
    asked = []
    original = comfy.model_management.load_models_gpu

    def spy(models, memory_required=0, **options):
        asked.append((memory_required, options["minimum_memory_required"]))
        return original(models, memory_required=memory_required, **options)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", spy)
    conditioning = conditioning or rig.text(1)
    rig.sample(model, conditioning, rig.text(2), rig.latent(8, 32, 32), noise=True, steps=1)
    monkeypatch.undo()
    return asked[-1]


def test_core_is_told_what_attention_across_frames_adds(unet, monkeypatch, caplog):
    """Keys of two frames for each frame are copies, which core does not reckon with; one long picture is none."""
    plain = required(unet, monkeypatch)
    assert required(FullFrameAttention.execute(unet, "all frames").result[0], monkeypatch) == plain
    caplog.set_level("INFO", logger="videograin")
    pairs = FullFrameAttention.execute(unet, "first + previous").result[0]
    told = required(pairs, monkeypatch)
    extra = memory.extra_bytes(records(pairs), [8, 4, 32, 32], unet.model)
    assert extra == 4 * (2 * 8 * 32 * 32 * 32 * 4)  # two tensors twice as long, 32 channels, float32
    assert extra <= told[0] - plain[0] and told[1] > plain[1]
    assert "Sampling 8 frames" in caplog.text and "MB are free" in caplog.text
    areas = regions(8, 32, 32)
    modulated = STLayoutAttention.execute(unet, "paper", 0.3, 1.0, 0.3, power=5.0).result[0]
    assert required(modulated, monkeypatch, bound(rig.text(1), areas))[0] > plain[0]


def test_one_level_of_pairs_is_enough_to_be_told(unet, monkeypatch):
    model = FullFrameAttention.execute(unet, "all frames", level_2="first + previous").result[0]
    assert required(model, monkeypatch)[0] > required(unet, monkeypatch)[0]
