"""Neighbours of the method: the paper's other parts, FateZero, ReAtCo and VIA, alone and mixed.

All have their nodes' default settings; FateZero has its presets for shapes, since most tasks replace one thing by
another.
"""

from __future__ import annotations

from dataclasses import replace

from ...videograin.core.cross_frame import MIDDLE, OWN
from ...videograin.core.latent_blend import FIXED, IRJS, PROGRESSIVE
from .method import BASELINES, CROSS, DEFAULT, EVERYWHERE, OUTSIDE_REGIONS, OUTSIDE_WORDS, ST_LAYOUT

FREE, HELD = replace(ST_LAYOUT, against=ST_LAYOUT.name), replace(DEFAULT, against=DEFAULT.name)
ALONE = replace(BASELINES[-1], against=BASELINES[-1].name, baseline=False)

PARTS = tuple(
    replace(HELD, name=name, label=label, **parts)
    for name, label, parts in (
        ("flow", "our default + flow-guided attention (DIS)", {"flow": True}),
        ("inject", "our default + source features (PnP)", {"inject": True}),
        ("flow_inject", "our default + both", {"flow": True, "inject": True}),
        ("clip_norm", "our default + GroupNorm over the clip", {"clip_norm": True}),
    )
)
CONTROLLED = tuple(
    replace(row, name=f"{row.name}_control", label=f"ControlNet: {row.label}", against=row.name, control=True)
    for row in (*(replace(row, baseline=False) for row in BASELINES), CROSS, ST_LAYOUT, DEFAULT)
)
FATEZERO = (
    replace(ALONE, name="fz_self", label="FateZero: self fusion everywhere", self_fusion=EVERYWHERE),
    replace(ALONE, name="fz_outside", label="FateZero: self fusion outside regions", self_fusion=OUTSIDE_REGIONS),
    replace(ALONE, name="fz_cross", label="FateZero: cross fusion", cross_fusion=True),
    replace(ALONE, name="fz_both", label="FateZero: both, everywhere", self_fusion=EVERYWHERE, cross_fusion=True),
    replace(
        ALONE, name="fatezero", label="FateZero as published for shapes: middle frame, both, outside the old words",
        key_set=MIDDLE, self_fusion=OUTSIDE_WORDS, cross_fusion=True,
    ),
    replace(FREE, name="free_self", label="ST-Layout + self fusion outside regions", self_fusion=OUTSIDE_REGIONS),
    replace(HELD, name="with_self", label="our default + self fusion outside regions", self_fusion=OUTSIDE_REGIONS),
    replace(HELD, name="with_cross", label="our default + cross fusion outside regions", cross_fusion=True),
    replace(HELD, name="with_both", label="our default + both fusions", self_fusion=OUTSIDE_REGIONS, cross_fusion=True),
)  # fmt: skip
REATCO = (
    replace(ALONE, name="place", label="ReAtCo: Place Objects", place=True),
    replace(ALONE, name="reatco", label="ReAtCo: Place Objects + `irjs`", place=True, blend=IRJS),
    replace(HELD, name="with_place", label="our default + Place Objects", place=True),
)
BLENDS = (
    replace(HELD, name="irjs_fresh", label="blend `irjs`, fresh noise", blend=IRJS),
    replace(HELD, name="irjs_fixed", label="blend `irjs`, fixed noise", blend=IRJS, noise=FIXED),
    replace(HELD, name="progressive", label="blend `progressive`", blend=PROGRESSIVE),
)
VIA = (
    replace(ALONE, name="via", label="VIA: anchors + `progressive`", key_set=OWN, anchors=True, blend=PROGRESSIVE),
    replace(HELD, name="with_anchors", label="our default over anchors", key_set=OWN, anchors=True),
)
NEIGHBOURS = (*PARTS, *CONTROLLED, *FATEZERO, *REATCO, *BLENDS, *VIA)
