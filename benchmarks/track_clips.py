"""Clips on which following is measured: lively ones of the ruler, and some in which a small thing walks behind a large one.

Settings were chosen on clips 0, 1, 2, 4, 5, 7, 10 and 11 of the development split and on hiding clips 7000 to 7003; none of
them is here.
"""

from typing import NamedTuple


class Set(NamedTuple):
    """Clips of one kind. lively: numbers in a split of the ruler; hiding: seeds."""

    title: str
    split: str
    lively: tuple[int, ...]
    hiding: tuple[int, ...]
    frames: int


SETS = {
    "development": Set(
        "Development clips, 17 frames", "development", (3, 6, 8, 9, 12, 14, 15, 17), (7100, 7101, 7102, 7103), 17
    ),
    "test": Set("Test clips, 17 frames", "test", (0, 1, 2, 3, 4, 5, 6, 7), (7200, 7201, 7202, 7203), 17),
    "long": Set("Development clips, 48 frames", "development", (3, 6, 8, 9), (7100, 7101), 48),
}


def clips(chosen):
    """The name and the clip of each case of a set."""
    from pack.benchmarks.ruler import suite

    cases = suite.cases(chosen.split)
    for number in chosen.lively:
        yield cases[number].name, suite.example(cases[number], chosen.frames).shot
    for seed in chosen.hiding:
        yield f"hiding-{seed}", hiding_clip(seed, chosen.frames)


def hiding_clip(seed, count):
    """A small bent thing that walks behind a large one and comes out on the other side."""
    import numpy as np

    from pack.videograin.toybox import world
    from pack.videograin.toybox.clips import MARGIN, film
    from pack.videograin.toybox.light import LIGHTS
    from pack.videograin.toybox.poses import gait

    rng = np.random.default_rng([seed, 41])
    names, place = rng.choice(list(world.OBJECTS), 2, replace=False), str(rng.choice(list(world.PLACES)))
    wide = world.draw_background(place, (world.SIZE + 2 * MARGIN,) * 2, rng)
    time = np.linspace(-0.5, 0.5, count)
    small, large = rng.uniform(0.22, 0.27) * world.SIZE, rng.uniform(0.48, 0.54) * world.SIZE
    middle, way = world.SIZE / 2, rng.choice((-1, 1))
    paths = (
        (small, middle + way * time * (world.SIZE - 1.2 * small), middle + 4 + 3 * np.sin(6 * time)),
        (large, middle - way * 8 * time, np.full(count, middle + 4)),
    )
    tracks = [
        [
            world.Placed(str(name), float(a), float(b), float(size), pose=pose)
            for a, b, pose in zip(x, y, gait(count, 1.0, rng), strict=True)
        ]
        for name, (size, x, y) in zip(names, paths, strict=True)
    ]
    return film(wide, place, tracks, np.zeros((count, 2), int), LIGHTS[place])
