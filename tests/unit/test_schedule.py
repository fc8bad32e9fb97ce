"""When something acts: the bounds, level by level."""

import pytest

from pack.videograin.core.choices import Choice
from pack.videograin.core.schedule import Schedule, of_shares


@pytest.mark.parametrize(("sigma", "acts"), [(9.0, False), (8.0, True), (5.0, True), (2.0, False), (1.0, False)])
def test_it_acts_from_its_start_and_no_more_at_its_end(sigma, acts):
    assert Schedule(8.0, 2.0).active(sigma) is acts


@pytest.mark.parametrize(("last", "reached"), [(0.0, False), (1.9, False), (2.0, True), (3.0, True), (9.0, False)])
def test_the_step_that_ends_at_its_end_is_its_last(last, reached):
    assert Schedule(8.0, 2.0).reaches(last) is reached


def test_a_whole_schedule_acts_at_every_level_but_zero_and_reaches_it():
    whole = of_shares(0.0, 1.0, lambda share: {0.0: 999999999.9, 1.0: 0.0}[share])
    assert whole.active(14.6) and whole.active(1e-4) and not whole.active(0.0) and whole.reaches(0.0)
    assert Schedule().active(1e12)


def test_an_empty_schedule_never_acts():
    assert not any(Schedule(3.0, 3.0).active(sigma) for sigma in (2.9, 3.0, 3.1))


def test_a_choice_is_its_word():
    class Half(Choice):
        LEFT = "the left"
        RIGHT = "the right"

    assert Half.LEFT == "the left" and Half("the right") is Half.RIGHT
    assert f"{Half.LEFT}" == str(Half.LEFT) == "the left" and Half.words() == ("the left", "the right")
    assert {"the left": 1}[Half.LEFT] == 1
