"""Time left: judged by the steps so far, by a clock that the test turns."""

from itertools import pairwise

import pytest

from pack.videograin.core.time_left import TimeLeft, in_words, step_at

LEVELS = [14.6, 7.0, 3.1, 1.2, 0.3, 0.0]


def told(seconds: list[float], total: int) -> list[str]:
    """What is said after each step, by how long each took."""
    now = [100.0]
    left = TimeLeft(total, lambda: now[0])
    said = []
    for done, took in enumerate(seconds, 1):
        now[0] += took
        said.append(left.words(done))
    return said


def test_from_the_second_step_on_and_not_by_the_one_that_loads_the_model():
    said = told([90.0, 10.0, 10.0, 10.0, 10.0], 20)
    assert said == ["", *(f", about {left} left" for left in ("3 min", "3 min", "3 min", "2 min"))]


def test_at_the_end_nothing_is_left():
    assert told([8.0] * 4, 4) == ["", ", about 15 s left", ", about 10 s left", ""]


def test_steps_that_grow_slower_are_followed():
    assert told([1.0, 10.0, 30.0], 10)[-1] == ", about 2 min left"  # 20 s a step, 7 to go


def test_chunks_taken_from_disk_before_the_first_step_take_no_time():
    now = [0.0]
    left = TimeLeft(100, lambda: now[0])
    assert left.words(81) == ""
    now[0] = 2.0
    assert left.words(82) == ", about 35 s left"


@pytest.mark.parametrize(
    "seconds, words",
    [(0, "5 s"), (3, "5 s"), (32, "30 s"), (33, "35 s"), (57, "55 s"), (58, "1 min"), (89, "1 min"), (91, "2 min"),
     (7200, "120 min")],
)  # fmt: skip
def test_words_are_rounded(seconds, words):
    assert in_words(seconds) == words


def test_words_do_not_flicker_from_step_to_step():
    said = told([5.0, *(4.0, 4.6) * 15], 31)[1:-1]
    assert len(set(said)) < len(said) / 2 and all(
        a != c or a == b for a, b, c in zip(said, said[1:], said[2:], strict=False)
    )


def test_a_call_at_a_level_or_between_two_belongs_to_the_step_down_from_the_upper():
    assert [step_at(sigma, LEVELS) for sigma in LEVELS[:-1]] == [0, 1, 2, 3, 4]
    assert [step_at((high * low) ** 0.5, LEVELS) for high, low in pairwise(LEVELS[:-1])] == [0, 1, 2, 3]
    assert step_at(20.0, LEVELS) == 0 and step_at(0.001, LEVELS) == step_at(0.0, LEVELS) == 4


def test_a_level_that_was_rounded_is_the_same():
    assert step_at(7.0 * (1 + 1e-6), LEVELS) == step_at(7.0 * (1 - 1e-6), LEVELS) == 1
