"""Long clips in windows: what covers them, how windows give way to each other, what lies on disk; and the seam metric."""

import gc
import itertools
import math
import weakref

import pytest
import torch

from pack.benchmarks.ruler.statistics import seam_ratio
from pack.videograin.core.chunking import Window, borders, crossfade, joined, windows
from pack.videograin.storage import chunk_file


@pytest.mark.parametrize("frames", [1, 3, 15, 16, 17, 20, 28, 29, 600])
@pytest.mark.parametrize("length,overlap", [(16, 4), (16, 0), (5, 4), (1, 0), (700, 8)])
def test_windows_cover_every_frame_and_share_enough(frames, length, overlap):
    found = windows(frames, length, overlap)
    assert found[0].start == 0 and found[-1].stop == frames
    assert {window.stop - window.start for window in found} == {min(length, frames)}
    for one, other in itertools.pairwise(found):
        assert one.start < other.start and one.stop - other.start >= overlap
    assert sum(one.stop - other.start == overlap for one, other in itertools.pairwise(found)) >= len(found) - 2


def test_windows_are_as_few_as_can_be():
    assert windows(28, 16, 4) == [Window(0, 16), Window(12, 28)]
    assert windows(20, 16, 4) == [Window(0, 16), Window(4, 20)]  # the last is moved back, not cut short
    assert len(windows(600, 16, 4)) == 50


def test_the_first_gives_way_to_the_second_in_even_steps():
    faded = crossfade(torch.zeros(3, 2, 2), torch.ones(3, 2, 2))
    assert faded[:, 0, 0].tolist() == [0.25, 0.5, 0.75]
    same = torch.randn(3, 4)
    assert torch.equal(crossfade(same, same.clone()), same)  # a background that is the source's stays so to the bit


@pytest.mark.parametrize("frames,length,overlap", [(20, 8, 3), (23, 8, 0), (30, 8, 6), (5, 8, 3)])
def test_windows_that_agree_give_the_clip_back_and_only_shared_frames_are_held(frames, length, overlap):
    clip, alive, most = torch.randn(frames, 2), [], 0
    found = windows(frames, length, overlap)

    def results():
        nonlocal most
        for start, stop in found:
            result = clip[start:stop].clone()
            alive.append(weakref.ref(result))
            gc.collect()
            most = max(most, sum(ref() is not None for ref in alive))
            yield result
            del result

    assert torch.equal(torch.cat(list(joined(found, results()))), clip)
    assert most <= 3


def test_where_windows_disagree_only_shared_frames_are_mixed():
    found = windows(28, 16, 4)
    parts = [torch.full((16, 1), float(number)) for number in range(2)]
    clip = torch.cat(list(joined(found, iter(parts))))[:, 0]
    assert clip.tolist() == pytest.approx([0.0] * 12 + [0.2, 0.4, 0.6, 0.8] + [1.0] * 12)
    assert borders(found) == [11, 12, 13, 14, 15]
    steps = (clip[1:] != clip[:-1]).nonzero()[:, 0].tolist()
    assert steps == borders(found)


# ---- a chunk on disk ------------------------------------------------------------------------------------------------


def test_a_chunk_comes_back_from_its_file_to_the_bit(tmp_path):
    window, latents = Window(12, 15), torch.randn(3, 4, 5, 6)
    path = chunk_file.path_of(tmp_path / "deep", window)
    chunk_file.write(path, latents.flip(3).transpose(2, 3).transpose(2, 3), "job", window)
    assert torch.equal(chunk_file.read(path, "job", window), latents.flip(3))
    assert [file.name for file in path.parent.iterdir()] == ["000012-000015.safetensors"]


def test_a_chunk_that_is_damaged_or_of_something_else_is_refused(tmp_path):
    window, latents = Window(0, 2), torch.randn(2, 4, 5, 6)
    path = chunk_file.path_of(tmp_path, window)
    chunk_file.write(path, latents, "job", window)
    with pytest.raises(ValueError, match="of another edit"):
        chunk_file.read(path, "other job", window)
    with pytest.raises(ValueError, match="of another edit"):
        chunk_file.read(path, "job", Window(1, 3))
    content = bytearray(path.read_bytes())
    content[-3] ^= 1  # one bit of the last number
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not what was saved"):
        chunk_file.read(path, "job", window)
    path.write_bytes(content[:-40])
    with pytest.raises(ValueError, match="damaged"):
        chunk_file.read(path, "job", window)


# ---- seams ----------------------------------------------------------------------------------------------------------


def test_the_seam_metric_is_a_ratio_of_means():
    errors = torch.tensor([1.0, 1.0, 3.0, 1.0, float("nan"), 5.0])
    assert seam_ratio(errors, [2, 5]) == pytest.approx(4.0)
    assert seam_ratio(errors, [2, 4]) == pytest.approx(3 / 2)  # a pair without a value is left out
    assert seam_ratio(torch.ones(6), [1, 4]) == 1
    assert math.isnan(seam_ratio(errors, [])) and math.isnan(seam_ratio(torch.zeros(3), [1]))
    assert seam_ratio(torch.tensor([0.0, 2.0, 0.0]), [1]) == math.inf


def test_a_jump_between_chunks_is_a_seam():
    """A still clip that changes its brightness where the second chunk begins, and flickers a little everywhere."""
    from pack.videograin.metrics.measures import warp_err

    clip = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(0)).expand(20, -1, -1, -1).clone()
    clip += torch.linspace(0, 1, 20)[:, None, None, None] * 0.05
    flow = torch.zeros(19, 16, 16, 2)
    border = borders(windows(20, 10, 0))
    assert seam_ratio(warp_err(clip[:-1], clip[1:], flow), border) == pytest.approx(1, rel=1e-3)
    clip[10:] += 0.1
    assert seam_ratio(warp_err(clip[:-1], clip[1:], flow), border) > 100
