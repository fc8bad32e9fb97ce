"""Files of tensors are what safetensors itself reads, whatever lies in them."""

import pytest
import torch
from safetensors import safe_open

from pack.videograin.storage.safetensors_stream import checksum, header, write_whole

TENSORS = {
    "halves": torch.randn(3, 5).half(),  # an odd number of bytes pairs before what is wider
    "short": torch.randn(7).bfloat16(),
    "wide": torch.randn(2, 3).double(),
    "turned": torch.randn(4, 3).T,  # not contiguous
    "empty": torch.zeros(0, 4),
    "one": torch.tensor(0.5),
}


def test_safetensors_reads_what_is_written(tmp_path):
    write_whole(tmp_path / "folder" / "some.safetensors", TENSORS, {"says": "“so” \u00e9"})
    with safe_open(tmp_path / "folder" / "some.safetensors", "pt") as file:
        assert file.metadata() == {"says": "“so” \u00e9"} and set(file.keys()) == set(TENSORS)
        for name, tensor in TENSORS.items():
            assert torch.equal(file.get_tensor(name), tensor) and file.get_tensor(name).dtype == tensor.dtype
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["some.safetensors"]


@pytest.mark.parametrize("facts", [{}, {"a": "b" * 11}])
def test_tensors_begin_at_a_multiple_of_eight(facts):
    assert len(header({"x": (torch.float32, (1, 2))}, facts)) % 8 == 0


def test_a_narrower_form_is_written_row_by_row(tmp_path):
    """As if it had been converted before, and never held whole a second time."""
    levels, held = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0)), []

    class Watched:
        """A tensor that tells what is converted."""

        dtype, shape, ndim = levels.dtype, levels.shape, levels.ndim

        def __iter__(self):
            for row in levels:
                held.append(row.numel())
                yield row

    write_whole(tmp_path / "narrow.safetensors", {"levels": Watched()}, {}, {"levels": torch.float16})
    write_whole(tmp_path / "before.safetensors", {"levels": levels.half()}, {})
    assert (tmp_path / "narrow.safetensors").read_bytes() == (tmp_path / "before.safetensors").read_bytes()
    assert held == [12] * 5 and checksum(levels, torch.float16) == checksum(levels.half())
