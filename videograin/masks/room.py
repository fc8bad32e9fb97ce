"""Room for what is not there yet, such as a hat above a head: it moves along with the thing that will have it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .affine import after, inverse
from .region_track import track


def parse_rooms(text: str, name: str, given: Mapping[int, object]) -> dict[int, int]:
    """The thing that each room moves with, by the numbers of both: “2:1, 3:1”. given: the numbers that there are.

    Raises ValueError, in which `name` is the input, for what is no such list.
    """
    rooms: dict[int, int] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        room, colon, thing = pair.partition(":")
        if not (colon and room.strip().isdecimal() and thing.strip().isdecimal()):
            raise ValueError(
                f"{name} is “{text}”, in which “{pair}” is no pair. Write “2:1” if mask 2 is room that moves with thing 1."
            )
        rooms[int(room)] = int(thing)
    for room, thing in rooms.items():
        if missing := sorted({room, thing} - set(given)):
            raise ValueError(f"{name} names mask {missing[0]}, which is not connected. Connect it, or leave it out.")
        if thing in rooms:
            raise ValueError(
                f"{name} moves mask {room} with mask {thing}, which is room itself. Name a thing that is there."
            )
    return rooms


def carried(
    rooms: Mapping[int, np.ndarray], thing: np.ndarray, others: np.ndarray, frames: np.ndarray | None = None
) -> np.ndarray:
    """The room in every frame, (F, H, W) bool, as given in the frames that mark it; none where the thing is out of sight.

    rooms: (H, W) bool by marked frame; from frame to frame the nearest of them is moved, shrunk and turned as the thing is.
    thing, others, (F, H, W) bool, and frames, (F, H, W, 3) uint8, are as in `region_track.track`.
    """
    import cv2

    path, found = track(thing, others, frames), np.zeros_like(thing)
    known = [frame for frame in rooms if path.shown(frame)]
    for frame in range(len(thing)):
        if known and path.shown(frame):
            near = min(known, key=lambda marked: abs(marked - frame))
            way = after(path.maps[frame], inverse(path.maps[near]))
            there = cv2.warpAffine(rooms[near].astype(np.float32), way, rooms[near].shape[::-1])
            found[frame] = there > 0.5
    for frame, room in rooms.items():
        found[frame] = room
    return found
