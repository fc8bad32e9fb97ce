"""Saved inversions: to the bit, whole or not at all, and damage is told."""

import pytest
import torch
from safetensors.torch import save_file

from pack.videograin import inversion_file
from pack.videograin.trajectory import PRECISIONS, Inversion


def made(levels=5, frames=3) -> tuple[Inversion, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    latents = torch.randn(levels, frames, 4, 6, 8, generator=g) * 10
    source = torch.randn(frames, 4, 6, 8, generator=g)
    return Inversion(latents, torch.linspace(14, 0, levels), source, "all frames", "0123", "BaseModel"), latents[0] * 2


def test_comes_back_to_the_bit(tmp_path):
    inversion, noise = made()
    inversion_file.write(tmp_path / "new" / "a.safetensors", inversion, noise, "fp32")
    back, start = inversion_file.read(tmp_path / "new" / "a.safetensors")
    for ours, theirs in zip(inversion, back, strict=True):
        assert torch.equal(ours, theirs) if isinstance(ours, torch.Tensor) else ours == theirs
    assert torch.equal(start, noise)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.safetensors"]


def test_half_precision_halves_the_levels_only(tmp_path):
    inversion, noise = made(levels=40)
    for precision in PRECISIONS:
        inversion_file.write(tmp_path / precision, inversion, noise, precision)
    assert (tmp_path / "fp16").stat().st_size < 0.6 * (tmp_path / "fp32").stat().st_size
    back, start = inversion_file.read(tmp_path / "fp16")
    assert back.latents.dtype == torch.float16 and back.at(5.0).dtype == torch.float32
    torch.testing.assert_close(back.latents.float(), inversion.latents, rtol=1e-3, atol=1e-4)
    assert torch.equal(back.source, inversion.source) and torch.equal(start, noise)


def test_levels_held_as_halves_stay_halves(tmp_path):
    inversion, noise = made()
    inversion = inversion._replace(latents=inversion.latents.half())
    inversion_file.write(tmp_path / "a", inversion, noise, "fp32")
    assert torch.equal(inversion_file.read(tmp_path / "a")[0].latents, inversion.latents)


def test_zero_terminal_snr_keeps_single_precision(tmp_path):
    inversion, noise = made()
    inversion = inversion._replace(latents=inversion.latents * 400, sigmas=inversion.sigmas * 320)
    inversion_file.write(tmp_path / "a", inversion, noise, "fp16")
    assert torch.equal(inversion_file.read(tmp_path / "a")[0].latents, inversion.latents)


def test_bf16_source_is_kept(tmp_path):
    inversion, noise = made()
    inversion = inversion._replace(source=inversion.source.bfloat16())
    inversion_file.write(tmp_path / "a", inversion, noise.bfloat16(), "fp32")
    back, start = inversion_file.read(tmp_path / "a")
    assert torch.equal(back.source, inversion.source) and start.dtype == torch.bfloat16


@pytest.mark.parametrize("cut", [0, 7, 100, 3000])
def test_a_file_cut_off_is_told(tmp_path, cut):
    path = tmp_path / "a.safetensors"
    inversion_file.write(path, *made(), "fp32")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"a\.safetensors is damaged"):
        inversion_file.read(path)


def test_one_flipped_bit_is_told(tmp_path):
    path = tmp_path / "a.safetensors"
    inversion_file.write(path, *made(), "fp32")
    data = bytearray(path.read_bytes())
    data[-5] ^= 4
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"damaged: its .* not what was saved"):
        inversion_file.read(path)


def test_another_safetensors_file_is_told(tmp_path):
    save_file({"latents": torch.zeros(3)}, tmp_path / "lora.safetensors")
    with pytest.raises(ValueError, match=r"lora\.safetensors is no inversion of ours.*Choose a file"):
        inversion_file.read(tmp_path / "lora.safetensors")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    inversion_file.write(path, *made(), "fp32")
    before = path.read_bytes()

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inversion_file.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        inversion_file.write(path, *made(levels=9), "fp32")
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
