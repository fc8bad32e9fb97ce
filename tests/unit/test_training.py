"""What training keeps on disk: whole, never another's, and continued as it was left. On a small network, no ComfyUI."""

import itertools
import logging

import numpy as np
import pytest
import torch
from torch import nn

from pack.demo.training.files import TrainingError, checksum, kept, read, write
from pack.demo.training.run import Average, Stage, averaged, require_done, require_made_from


def trained(root, name, steps, until=None, seed=0):
    """A stage of a small network, left at step `until` as by Ctrl-C; and the numbers that its steps drew."""
    torch.manual_seed(seed)
    net = nn.Linear(3, 2)
    optimizer, average = torch.optim.AdamW(net.parameters()), Average(net, 0.9)
    stage, drawn = Stage(root, name, steps), []
    stage.keep(net=net, optimizer=optimizer, average=average)
    rng = stage.randomness(seed, 1)
    for step in stage:
        if step == until:
            raise KeyboardInterrupt
        drawn.append((rng.random(), torch.rand(()).item()))
        net(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        average.update()
    return drawn


def test_an_interrupted_stage_continues_where_it_was_with_other_draws(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, "vae", 5, until=3)
    assert read(tmp_path / "vae" / "state.pt")["step"] == 3
    before = trained(tmp_path / "fresh", "vae", 3)
    after = trained(tmp_path, "vae", 5)
    assert len(after) == 2
    assert not {value for pair in before for value in pair} & {value for pair in after for value in pair}
    assert trained(tmp_path, "vae", 5) == []


def test_a_stage_that_is_over_says_so(tmp_path):
    assert not Stage(tmp_path, "vae", 2).over
    assert Stage(tmp_path, "vae", 2, stop_at=1.0).over
    trained(tmp_path, "vae", 2)
    stage = Stage(tmp_path, "vae", 2)
    stage.keep(net=nn.Linear(3, 2))
    assert stage.done and stage.over


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_state_is_named_with_what_to_do(tmp_path, damage):
    trained(tmp_path, "vae", 1)
    file = tmp_path / "vae" / "state.pt"
    file.write_bytes(file.read_bytes()[:-200] if damage is None else damage)
    for act in (lambda: trained(tmp_path, "vae", 2), lambda: Stage(tmp_path, "judge", 1)):
        with pytest.raises(TrainingError, match=r"vae/state\.pt cannot be read .* Delete the folder .*vae"):
            act()
    with pytest.raises(TrainingError, match=r"state\.pt cannot be read"):
        require_done(tmp_path, ("vae",), {"vae": 1}, "judge")


def test_what_is_not_done_is_told(tmp_path):
    steps = {"vae": 4, "judge": 2}
    trained(tmp_path, "vae", 3)
    with pytest.raises(TrainingError, match=r"--export .*: vae \(3 of 4 steps\), judge \(0 of 2 steps\).* vae judge$"):
        require_done(tmp_path, ("vae", "judge"), steps, "--export")
    trained(tmp_path, "vae", 4)
    require_done(tmp_path, ("vae",), steps, "judge")


def test_a_stage_trained_on_earlier_weights_is_not_continued(tmp_path):
    trained(tmp_path, "vae", 2)
    trained(tmp_path, "judge", 1)
    trained(tmp_path, "judge", 2)
    trained(tmp_path, "vae", 3)
    with pytest.raises(TrainingError, match=r"judge/state\.pt was trained on an earlier state of: vae.*Delete"):
        trained(tmp_path, "judge", 3)
    require_made_from(tmp_path / "judge", {"step": 1}, "kept before this was recorded")


def test_averaged_weights_are_read_back(tmp_path):
    trained(tmp_path, "vae", 2)
    network, step = averaged(nn.Linear(3, 2), tmp_path / "vae")
    values = read(tmp_path / "vae" / "state.pt")["average"]["values"]
    assert step == 2 and all(torch.equal(p.cpu(), v) for p, v in zip(network.parameters(), values, strict=True))


def test_a_pool_is_kept_until_what_it_was_made_from_changes(tmp_path):
    made = itertools.count()

    def pool(made_from):
        return kept(tmp_path / "pool.pt", made_from, lambda: {"latents": torch.tensor(next(made))})["latents"].item()

    assert [pool("a"), pool("a"), pool("b"), pool("b"), pool("a")] == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("damage", [b"", b"stub", None])
def test_an_unreadable_pool_is_made_again_with_one_line(tmp_path, caplog, damage):
    file = tmp_path / "pool.pt"
    kept(file, "a", lambda: {"rows": torch.arange(1000)})
    file.write_bytes(file.read_bytes()[:-300] if damage is None else damage)
    with caplog.at_level(logging.INFO):
        again = kept(file, "a", lambda: {"rows": torch.arange(3)})
    assert len(again["rows"]) == len(read(file)["rows"]) == 3
    assert [record.message.count("pool.pt cannot be read") for record in caplog.records] == [1]


def test_a_killed_write_leaves_the_old_file(tmp_path):
    class Killed:
        def __reduce__(self):
            raise KeyboardInterrupt

    write({"step": 1}, tmp_path / "state.pt")
    with pytest.raises(KeyboardInterrupt):
        write({"much": torch.ones(1000), "then": Killed()}, tmp_path / "state.pt")
    assert read(tmp_path / "state.pt") == {"step": 1}
    with pytest.raises(TrainingError, match="cannot be written"):
        write({}, tmp_path / "nowhere" / "state.pt")


def test_a_checksum_is_of_values_not_of_their_order_in_memory():
    x = torch.from_numpy(np.random.default_rng(0).random((2, 3, 4, 5), np.float32))
    assert checksum([x]) == checksum([x.to(memory_format=torch.channels_last)]) != checksum([x + 1])
