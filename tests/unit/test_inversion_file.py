"""Saved inversions: to the bit, whole or not at all, and damage is told."""

import json
import os
import time

import pytest
import torch
from safetensors.torch import save_file

from pack.videograin.core.inversion_record import PRECISIONS, Inversion
from pack.videograin.storage import inversion_file, safetensors_stream


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


def test_any_changed_bit_of_the_header_is_told_or_changes_nothing(tmp_path):
    """Names, shapes, facts and checksums alike; a bit of the padding may be lost."""
    path, (inversion, noise) = tmp_path / "a.safetensors", made()
    inversion_file.write(path, inversion, noise, "fp32")
    data, random, told = path.read_bytes(), torch.Generator().manual_seed(0), 0
    header = 8 + int.from_bytes(data[:8], "little")
    for place in range(header):
        changed = bytearray(data)
        changed[place] ^= 1 << int(torch.randint(8, (1,), generator=random))
        path.write_bytes(changed)
        try:
            back, start = inversion_file.read(path)
        except ValueError as error:
            told += "damaged" in str(error) or "no inversion of ours" in str(error)
            continue
        for ours, theirs in zip((*inversion, noise), (*back, start), strict=True):
            assert torch.equal(ours, theirs) if isinstance(ours, torch.Tensor) else ours == theirs, place
    assert told > 0.9 * header


def strange(**changes):
    inversion, noise = made()
    tensors = {"latents": inversion.latents, "sigmas": inversion.sigmas, "source": inversion.source, "noise": noise}
    return tensors | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"sigmas": torch.linspace(14, 0, 4)},
        {"sigmas": torch.linspace(0, 14, 5)},
        {"sigmas": torch.full((5,), float("nan"))},
        {"latents": torch.zeros(5)},
        {"latents": torch.zeros(5, 2, 4, 6, 8)},
        {"latents": torch.zeros(0, 3, 4, 6, 8), "sigmas": torch.zeros(0)},
        {"latents": torch.zeros(5, 3, 4, 6, 8, dtype=torch.int32)},
        {"source": torch.zeros(())},
        {"noise": torch.zeros(3, 4, 8, 6)},
        {"source": torch.full((3, 4, 6, 8), float("nan"))},
        {"noise": torch.full((3, 4, 6, 8), float("inf"))},
        {"latents": torch.zeros(2, 0, 4, 6, 8), "source": torch.zeros(0, 4, 6, 8), "noise": torch.zeros(0, 4, 6, 8)},
        {"sigmas": torch.tensor([float("inf"), 0.0])},
        {"sigmas": torch.tensor([1.0, -1.0])},
    ],
)
def test_a_strangers_file_that_cannot_be_an_inversion_is_told(tmp_path, changes):
    """With all its checksums right."""
    tensors, facts = strange(**changes), dict.fromkeys(inversion_file.FACTS, "") | {"format": inversion_file.FORMAT}
    sums = json.dumps({name: inversion_file.checksum(tensor) for name, tensor in tensors.items()})
    save_file(tensors, tmp_path / "a.safetensors", {**facts, "checksums": sums})
    with pytest.raises(ValueError, match=r"a\.safetensors is damaged: its tensors do not belong together"):
        inversion_file.read(tmp_path / "a.safetensors")


def test_a_strangers_long_text_is_not_repeated(tmp_path):
    facts = dict.fromkeys(inversion_file.FACTS, "x" * 100_000) | {"format": inversion_file.FORMAT}
    save_file(strange(), tmp_path / "a.safetensors", facts)
    with pytest.raises(ValueError, match=r"a\.safetensors is damaged: its header says more") as error:
        inversion_file.read(tmp_path / "a.safetensors")
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("sums", [None, "", "[]", "3", "{}", "[" * 100_000, '{"latents": "x"}'])
def test_a_strangers_checksums_are_told(tmp_path, sums):
    facts = dict.fromkeys(inversion_file.FACTS, "") | {"format": inversion_file.FORMAT}
    save_file(strange(), tmp_path / "a.safetensors", facts if sums is None else {**facts, "checksums": sums})
    with pytest.raises(ValueError, match=r"a\.safetensors is damaged"):
        inversion_file.read(tmp_path / "a.safetensors")


def test_a_file_of_before_its_facts_were_summed_is_read(tmp_path):
    sums = json.dumps({name: inversion_file.checksum(tensor) for name, tensor in strange().items()})
    facts = {"format": inversion_file.FORMAT, "key_sets": "all frames", "model_id": "0123", "model_name": "BaseModel"}
    save_file(strange(), tmp_path / "a.safetensors", {**facts, "checksums": sums})
    assert torch.equal(inversion_file.read(tmp_path / "a.safetensors")[1], made()[1])


def test_what_a_killed_process_left_goes_after_an_hour(tmp_path):
    path, now = tmp_path / "a.safetensors", time.time()
    for name, age in (("old.safetensors.1.part", 7200), ("new.safetensors.2.part", 60), ("film.mp4.part", 7200)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (now - age, now - age))
    inversion_file.write(path, *made(), "fp32")
    assert {file.name for file in tmp_path.iterdir()} == {path.name, "new.safetensors.2.part", "film.mp4.part"}


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

    monkeypatch.setattr(safetensors_stream.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        inversion_file.write(path, *made(levels=9), "fp32")
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
