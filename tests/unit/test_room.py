"""Room for what is not there yet moves along with a thing."""

import numpy as np
import pytest

from pack.videograin.masks.room import carried, parse_rooms


def boxes(*places, shape=(60, 90)):
    """(F, H, W) bool; places: (left, top, width, height) of each frame, or None."""
    found = np.zeros((len(places), *shape), bool)
    for frame, place in zip(found, places, strict=True):
        if place:
            left, top, width, height = place
            frame[top : top + height, left : left + width] = True
    return found


def overlap(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


def test_room_moves_and_shrinks_with_its_thing():
    thing = boxes((10, 24, 20, 16), (30, 20, 20, 16), (60, 30, 10, 8))
    wanted = boxes((14, 14, 12, 10), (34, 10, 12, 10), (62, 25, 6, 5))
    found = carried({0: wanted[0]}, thing, np.zeros_like(thing))
    assert all(overlap(a, b) > 0.75 for a, b in zip(found, wanted, strict=True))


def test_each_frame_takes_the_nearest_marked_room():
    thing = boxes(*[(10 + 10 * f, 30, 16, 16) for f in range(5)])
    rooms = {0: boxes((12, 20, 12, 10))[0], 4: boxes((50, 10, 16, 20))[0]}
    found = carried(rooms, thing, np.zeros_like(thing))
    assert found[1].sum() == pytest.approx(120, abs=20) and found[3].sum() == pytest.approx(320, abs=30)
    assert all((found[frame] == room).all() for frame, room in rooms.items())


def test_there_is_no_room_where_the_thing_is_out_of_sight():
    thing = boxes((10, 24, 20, 16), None, (40, 24, 20, 16))
    found = carried({0: boxes((14, 14, 12, 10))[0]}, thing, np.zeros_like(thing))
    assert not found[1].any() and found[2].any()


def test_a_list_of_rooms():
    assert parse_rooms("2:1, 4 : 3,", "rooms", dict.fromkeys(range(1, 5))) == {2: 1, 4: 3}
    assert parse_rooms(" ", "rooms", {}) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2", "“2” is no pair"),
        ("hat:1", "no pair"),
        ("2:3", "mask 3, which is not connected"),
        ("2:1, 1:2", "is room itself"),
        ("2:2", "is room itself"),
    ],
)
def test_what_is_no_list_of_rooms(text, message):
    with pytest.raises(ValueError, match=message):
        parse_rooms(text, "Track Regions' `rooms`", {1: None, 2: None})
