"""Motion paths and attention along them, against plain Python."""

import pytest
import torch

from pack.videograin.core import flatten
from pack.videograin.core.flatten import along_paths, paths, token_steps

GRIDS = [(8, 8), (5, 9), (9, 4)]


def oracle(steps, seed, hidden):
    """Every path of two tokens or more as {frame: token}, token by token."""
    pairs, height, width = steps.shape[:3]
    random = torch.Generator().manual_seed(seed)
    live = {token: {0: token} for token in range(height * width)}  # token of the current frame: its path
    done = list(live.values())
    for pair in range(pairs):
        after = {}
        for token in torch.randperm(height * width, generator=random).tolist():
            row, column = divmod(token, width)
            dx, dy = steps[pair, row, column].tolist()
            to_row, to_column = row + dy, column + dx
            inside = 0 <= to_row < height and 0 <= to_column < width
            if not inside or (hidden is not None and hidden[pair, row, column]):
                continue
            target = to_row * width + to_column
            if target not in after:
                live[token][pair + 1] = target
                after[target] = live[token]
        for token in range(height * width):
            if token not in after:
                after[token] = {pair + 1: token}
                done.append(after[token])
        live = after
    return [path for path in done if len(path) > 1]


def as_set(table):
    return {tuple((f, t) for f, t in enumerate(row) if t >= 0) for row in table.tolist()}


@pytest.mark.parametrize("height,width", GRIDS)
@pytest.mark.parametrize("occluded", [False, True])
@pytest.mark.parametrize("reach", [1, 4])
def test_equals_plain_python(height, width, occluded, reach):
    g = torch.Generator().manual_seed(3)
    steps = torch.randint(-reach, reach + 1, (5, height, width, 2), generator=g)
    hidden = torch.rand(5, height, width, generator=g) < 0.3 if occluded else None
    found = paths(steps, hidden, 7)
    assert as_set(found) == {tuple(sorted(path.items())) for path in oracle(steps, 7, hidden)}


@pytest.mark.parametrize("height,width", GRIDS)
def test_paths_are_disjoint_and_inside(height, width):
    steps = torch.randint(-3, 4, (6, height, width, 2), generator=torch.Generator().manual_seed(1))
    table = paths(steps)
    assert table.shape[1] == 7 and table.max() < height * width and ((table >= 0).sum(1) > 1).all()
    for column in table.T:
        tokens = column[column >= 0]
        assert len(tokens.unique()) == len(tokens)


def test_a_still_clip_has_one_path_a_token_and_a_shift_loses_its_border():
    still = paths(torch.zeros(3, 4, 6, 2, dtype=torch.int64))
    assert torch.equal(still.sort(0).values, torch.arange(24)[:, None].expand(-1, 4))
    right = torch.zeros(1, 4, 6, 2, dtype=torch.int64)
    right[..., 0] = 2
    assert as_set(paths(right)) == {((0, r * 6 + c), (1, r * 6 + c + 2)) for r in range(4) for c in range(4)}


def test_flow_in_pixels_becomes_steps_on_any_grid():
    flow = torch.zeros(2, 48, 80, 2)
    flow[..., 0], flow[..., 1] = 16.0, -8.0
    for height, width in ((6, 10), (3, 5), (12, 20)):
        steps = token_steps(flow, height, width)
        assert steps.shape == (2, height, width, 2)
        assert (steps[..., 0] == round(16 * width / 80)).all() and (steps[..., 1] == round(-8 * height / 48)).all()


@pytest.mark.parametrize("height,width", GRIDS)
def test_attention_along_paths_equals_plain_python(height, width):
    g = torch.Generator().manual_seed(5)
    steps = torch.randint(-2, 3, (3, height, width, 2), generator=g)
    table, heads, d = paths(steps), 2, 8
    q, k, v = (torch.randn(2, 4, height * width, heads * d, generator=g, dtype=torch.float64) for _ in range(3))
    truth = v.clone()
    for clip in range(2):
        for row in table.tolist():
            points = [(f, t) for f, t in enumerate(row) if t >= 0]
            for f, t in points:
                for h in range(heads):
                    part = slice(h * d, (h + 1) * d)
                    scores = torch.stack([q[clip, f, t, part] @ k[clip, a, b, part] for a, b in points]) / d**0.5
                    values = torch.stack([v[clip, a, b, part] for a, b in points])
                    truth[clip, f, t, part] = scores.softmax(0) @ values
    torch.testing.assert_close(along_paths(q, k, v, table, heads), truth, rtol=1e-12, atol=1e-12)


def test_large_clips_go_in_parts(monkeypatch):
    steps = torch.randint(-1, 2, (3, 6, 6, 2), generator=torch.Generator().manual_seed(2))
    q, k, v = torch.randn(3, 1, 4, 36, 16, generator=torch.Generator().manual_seed(4))
    whole = along_paths(q, k, v, paths(steps), 2)
    monkeypatch.setattr(flatten, "PATHS_AT_ONCE", 5)
    torch.testing.assert_close(along_paths(q, k, v, paths(steps), 2), whole)


def test_the_work_along_paths_grows_with_tokens_not_with_frames_squared(monkeypatch):
    """Noisy flow breaks paths into short ones: they are not padded to the whole clip."""
    worked = []

    def count(q, k, v, mask):
        worked.append(q.shape[0] * q.shape[2])
        return v

    monkeypatch.setattr(flatten.F, "scaled_dot_product_attention", count)
    for frames in (16, 64):
        steps = torch.randint(-2, 3, (frames - 1, 32, 32, 2), generator=torch.Generator().manual_seed(0))
        table = paths(steps)
        worked.clear()
        x = torch.zeros(1, frames, 32 * 32, 4)
        flatten.along_paths(x, x, x, table, 1)
        assert sum(worked) < 3 * frames * 32 * 32
