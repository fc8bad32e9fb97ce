"""Ablations: the method's own choices, one changed at a time.

They vary the `default` before these ablations. Today's `default` has what they found: no size term and a lower power.
"""

from __future__ import annotations

from dataclasses import replace

from ...videograin.core import st_layout
from ...videograin.core.cross_frame import FIRST_PREVIOUS, OWN
from .method import CHANGED_AREAS, CLUSTERS, DEFAULT, ST_LAYOUT
from .suite import BOXES, DILATED, ERODED, SHIFTED

BASIS = st_layout.Settings(self_strength=0.6, power=0.5, end_percent=1.0)
FREE = replace(ST_LAYOUT, name="basis", label="ST-Layout as before the ablations", st_layout=BASIS)
HELD = replace(DEFAULT, name="basis_blend", label="the same + blend", against=FREE.name, st_layout=BASIS)
BASES = (FREE, HELD)
FREE, HELD = replace(FREE, against=FREE.name), replace(HELD, against=HELD.name)

ATTENTION = tuple(
    replace(FREE, name=name, label=label, st_layout=settings)
    for name, label, settings in (
        ("paper", "mode `paper`", st_layout.PAPER),
        ("reference", "mode `reference`", st_layout.REFERENCE),
        ("self_negative", "self role: negative", replace(BASIS, self_role="negative")),
        ("self_positive", "self role: positive", replace(BASIS, self_role="positive")),
        ("self_both", "self role: both", replace(BASIS, self_role="both")),
        ("levels_all", "all levels", replace(BASIS, levels="all")),
        ("levels_coarse", "levels below full resolution", replace(BASIS, levels="below full resolution")),
        ("self_size", "self size term: area", replace(BASIS, self_size="area")),
        ("self_size_frames", "self size term: area / frames", replace(BASIS, self_size="area / frames")),
        ("self_size_off", "self size term: off", replace(BASIS, self_size="off")),
        ("cross_size_off", "cross size term: off", replace(BASIS, cross_size="off")),
    )
)
SCHEDULE = tuple(  # strengths and end points
    replace(FREE, name=name, label=label, st_layout=replace(BASIS, **choices))
    for name, label, choices in (
        ("power_0", "strength kept to the end (power 0)", {"power": 0.0}),
        ("power_1", "strength falls with \u03c4 (power 1)", {"power": 1.0}),
        ("half", "nothing in the second half", {"end_percent": 0.5}),
        ("self_0.3", "self strength 0.3", {"self_strength": 0.3}),
        ("self_0.6", "self strength 0.6", {"self_strength": 0.6}),
        ("fast", "`fast`: \u0394 from an eighth of the keys", {"fast": True}),
    )
)
KEY_SETS = (
    replace(FREE, name="keys_own", label="ST-Layout over each frame's own keys", key_set=OWN),
    replace(FREE, name="keys_first_previous", label="ST-Layout over first + previous", key_set=FIRST_PREVIOUS),
)
MASKS = (
    *(
        replace(HELD, name=name, label=label, masks=shape)
        for name, label, shape in (
            ("clusters", "clusters instead of true masks", CLUSTERS),
            ("dilated", "masks 8 px too large", DILATED),
            ("eroded", "masks 8 px too small", ERODED),
            ("shifted", "masks 8 px off", SHIFTED),
            ("boxes", "boxes for masks", BOXES),
        )
    ),
    *(
        replace(HELD, name=name, label=label, st_layout=replace(BASIS, self_size="off", **choices))
        for name, label, choices in (
            ("off", "self size term off", {}),
            ("off_power_0", "self size term off, power 0", {"power": 0.0}),
        )
    ),
    replace(HELD, name="changed_only", label="regions only where something changes", bound=CHANGED_AREAS),
    replace(HELD, name="blend_grown", label="blend 8 px wider than the masks", grow=1),
)
