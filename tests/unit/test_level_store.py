"""Levels past a limit lie in a file, read like memory, and leave nothing behind."""

import errno

import pytest
import torch
from safetensors import safe_open

from pack.videograin.storage import memmap
from pack.videograin.storage.memmap import allocate


def test_small_clips_stay_in_memory(tmp_path):
    assert allocate((3, 2, 4), torch.float32, tmp_path).shape == (3, 2, 4)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_past_the_limit_a_safetensors_file_holds_them(tmp_path, dtype):
    levels = allocate((3, 2, 5), dtype, tmp_path / "new", limit=16)
    levels[:] = torch.arange(30).view(3, 2, 5)
    (file,) = (tmp_path / "new").iterdir()
    with safe_open(file, "pt") as stored:
        assert torch.equal(stored.get_tensor("latents"), levels) and levels.dtype == dtype
    assert torch.equal(levels[1], torch.arange(10, 20).view(2, 5).to(dtype))


def test_the_file_lives_as_long_as_the_levels(tmp_path):
    levels = allocate((4, 8), torch.float32, tmp_path, limit=0)
    last = levels[-1]
    del levels
    assert list(tmp_path.iterdir()), "a view still reads it"
    last.fill_(2.0)
    del last
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error_and_leaves_no_file(tmp_path, monkeypatch):
    class Full:
        def __init__(self, number, mode):
            self.number = number

        def __enter__(self):
            return self

        def __exit__(self, *_):
            memmap.os.close(self.number)

        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(memmap.os, "fdopen", Full)
    with pytest.raises(OSError, match="No space left"):
        allocate((4, 8), torch.float32, tmp_path, limit=0)
    assert not list(tmp_path.iterdir())
