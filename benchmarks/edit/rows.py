"""Rows of the benchmark by name: recipes of stock nodes, our methods, and what each paper's claim needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ...proof.graph import Prompt
from ...videograin.core import st_layout
from ...videograin.core.cross_frame import MIDDLE, OWN
from ...videograin.core.latent_blend import INVERSION, IRJS
from ..ruler.suite import Example
from . import stock
from .graph import edit_graph
from .method import BY_MODEL, BY_WORLD, DRAWN, EVERYWHERE, NOISE, NOISED, OUTSIDE_WORDS, Method
from .parts import Setup
from .seeds import Seeding, seeded_graph


class Row(NamedTuple):
    """What one row of the table is: its label, and the graph that edits a clip."""

    label: str
    graph: Callable[[Example, Setup], Prompt]


def _ours(label: str, method: Method) -> Row:
    return Row(label, lambda one, setup: edit_graph(one, method, setup))


def _stock(recipe: str) -> Row:
    return Row(f"stock: {recipe}", lambda one, setup: stock.stock_graph(one, recipe, setup))


FULL = Method()
REGIONS = replace(FULL, st_layout=st_layout.DEFAULT)
BLENDED = replace(REGIONS, blend=INVERSION)
DEFAULT = replace(BLENDED, paste=True)
MIDDLE_FRAME = replace(FULL, key_set=MIDDLE)
FUSED = replace(MIDDLE_FRAME, cross_fusion=True, self_fusion=EVERYWHERE)
FROM_NOISE = replace(FULL, start=NOISE)

STOCK = {
    "noise-mask": _stock(stock.EACH),
    "noise-mask-0.75": _stock(stock.EACH_SOFTER),
    "set-mask": _stock(stock.TOGETHER),
    "draw-paste-0.4": _stock(stock.REDRAWN),
    "draw-paste": _stock(stock.STICKER),
}
WORDS_ONLY = {  # no masks
    "sdedit": _ours("SDEdit", Method(start=NOISED, key_set=OWN)),
    "per-frame": _ours("inversion, frame by frame", Method(key_set=OWN)),
}
OURS = "default"
LAID = Seeding(denoise=0.25)


def _default(one: Example, setup: Setup) -> Prompt:
    """What the README says of each edit: another thing is laid in, what goes is painted over, all else is done by regions."""
    if any(wish.track and wish.name != name for wish, name in zip(one.task.wishes, one.shot.names, strict=False)):
        return seeded_graph(one, LAID._replace(steady=True), setup)
    if any(not wish.track for wish in one.task.wishes):
        return stock.stock_graph(one, stock.EACH, setup)
    return edit_graph(one, DEFAULT, setup)


HEADLINE = {
    "truth": _ours("*the drawn edit*", Method(start=DRAWN)),
    **STOCK,
    **WORDS_ONLY,
    "regions": _ours("regions on the inverted clip", DEFAULT),
    OURS: Row("**our default**", _default),
}
CLAIMED = {
    "middle": _ours("inversion, keys of the middle frame", MIDDLE_FRAME),
    "fatezero-style": _ours("FateZero for styles", replace(FUSED, preset="style")),
    "fatezero-attribute": _ours("FateZero for attributes", replace(FUSED, preset="attribute")),
    "fatezero-shape": _ours("FateZero for shapes", replace(FUSED, self_fusion=OUTSIDE_WORDS)),
    "noise": _ours("text to video", FROM_NOISE),
    "reatco-place": _ours("ReAtCo: Place Objects", replace(FROM_NOISE, place=True)),
    "regions-noise": _ours("ST-Layout from noise", replace(FROM_NOISE, st_layout=st_layout.DEFAULT)),
    "unpasted": _ours("regions, no paste", BLENDED),
    "unblended": _ours("regions, no blend, no paste", replace(REGIONS, watched=True)),
    "reatco-irjs": _ours("ReAtCo: IRJS for our blend", replace(BLENDED, blend=IRJS)),
    "via-anchors": _ours("VIA: anchors", Method(key_set=OWN, anchors=True)),
    "via-adapted": _ours("VIA: test-time adaptation under regions", replace(DEFAULT, adapted=True)),
    "passes": _ours("regions, one region after the other", replace(DEFAULT, passes=True)),
    "depth": _ours("regions + ControlNet for depth", replace(DEFAULT, control=True)),
}
# As the stock recipe, but with keys of all frames.
SEEDED = replace(FULL, start=NOISED, seeded=BY_MODEL, noise_mask=True, paste=True)
WORDS = replace(st_layout.DEFAULT, self_strength=0.0)
SEEDED_REGIONS = replace(SEEDED, st_layout=st_layout.DEFAULT)
QUICK = replace(FROM_NOISE, noise_mask=True, paste=True)  # without an inversion
QUICK_REGIONS = replace(QUICK, st_layout=st_layout.DEFAULT)
STARTS = {  # start x regions x outside, and parts of the regions alone
    "inverted": _ours("inverted noise, no regions", replace(FULL, blend=INVERSION, paste=True)),
    "regions-no-self": _ours("regions, words' regions only", replace(DEFAULT, st_layout=WORDS)),
    "seeded": _ours("drawings, no regions", SEEDED),
    "seeded-regions": _ours("drawings, regions", SEEDED_REGIONS),
    "seeded-path": _ours(
        "drawings, no regions, inverted path outside", replace(FULL, seeded=BY_MODEL, blend=INVERSION, paste=True)
    ),
    "seeded-path-regions": _ours("drawings, regions, inverted path outside", replace(DEFAULT, seeded=BY_MODEL)),
    "seeded-no-self": _ours("drawings, words' regions only", replace(SEEDED, st_layout=WORDS)),
    "seeded-no-cross": _ours(
        "drawings, self modulation only", replace(SEEDED, st_layout=replace(st_layout.DEFAULT, cross_strength=0.0))
    ),
    "seeded-own-keys": _ours("drawings, regions, own keys", replace(SEEDED_REGIONS, key_set=OWN)),
    "truth-0.4": _ours("the drawn edit, no regions, denoise 0.4", replace(SEEDED, seeded=BY_WORLD)),
    "truth-0.4-regions": _ours("the drawn edit, regions, denoise 0.4", replace(SEEDED_REGIONS, seeded=BY_WORLD)),
    "fresh": _ours("fresh noise, no regions", QUICK),
    "fresh-regions": _ours("fresh noise, regions", QUICK_REGIONS),
}


SEEDS = {
    f"laid-{seeding.denoise:g}{how}": Row(
        f"Seed Regions{label}, denoise {seeding.denoise:g}",
        lambda one, setup, seeding=seeding: seeded_graph(one, seeding, setup),
    )
    for how, label, seeding in (
        ("", "", Seeding(0.15)),
        ("", "", LAID),
        ("", "", Seeding(0.4)),
        ("-stiff", " without bending", LAID._replace(bend=False)),
        ("-inside", " inside the old outline", LAID._replace(whole=False)),
        ("-own", " with the world's own pictures", LAID._replace(by_world=True)),
        ("-own", " with the world's own pictures", Seeding(0.15, by_world=True)),
        ("-keys", ", keys of all frames", LAID._replace(keys_of_all=True)),
        ("-regions", ", regions", LAID._replace(st_layout=st_layout.DEFAULT)),
        ("-steady", ", Steady Edit", LAID._replace(steady=True)),
        ("-followed", ", masks by Track Regions", LAID._replace(followed=True)),
    )
}
STEADY = {"regions-steady": _ours("regions, Steady Edit", replace(DEFAULT, steady=True))}
FOLLOWED = {"followed": _ours("regions, masks by Track Regions", replace(DEFAULT, followed=True))}
ROWS = HEADLINE | CLAIMED | STARTS | SEEDS | STEADY | FOLLOWED
