"""What is compared, as a table: every method is a row, and graph.py turns the row into nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...videograin.attention import st_layout
from ...videograin.attention.key_sets import ALL, FIRST_PREVIOUS, OWN
from ...videograin.attention.st_layout import Settings
from .suite import BOXES, DILATED, ERODED, PLAIN, SHIFTED, TRUE, WORDINGS

DRAWN, SOURCE, FRESH_NOISE, INVERSION = STARTS = ("drawn", "source", "fresh noise", "inversion")
CLUSTERS = "clusters"  # masks from Attention Layout
ALL_AREAS, CHANGED_AREAS = BOUND = ("all", "changed")


@dataclass(frozen=True)
class Method:
    """One row.

    start: the world's own drawing of the edit; the source through the VAE; the source half covered by fresh noise; or
        the inverted source. key_set: of self-attention, in the inversion too. st_layout: choices of ST-Layout Attention,
        None for none. bound: the areas that get a Region Prompt. masks: one of suite.SHAPES, or CLUSTERS. blend:
        Latent Blend follows, its area wider by `grow` latent cells. paste: the source's own pixels are put back
        outside the edit.
    """

    name: str
    label: str
    start: str = INVERSION
    key_set: str = ALL
    st_layout: Settings | None = None
    bound: str = ALL_AREAS
    masks: str = TRUE
    blend: bool = False
    grow: int = 0
    paste: bool = False
    baseline: bool = False

    @property
    def wordings(self) -> tuple[str, ...]:
        """The prompts to try, the better of which counts: baselines have nothing but words to say what goes where."""
        return WORDINGS if self.baseline else (PLAIN,)

    @property
    def cost(self) -> float:
        """Of one edit, against a full-frame one: to tell how long a run will take."""
        if self.paste or self.start in (DRAWN, SOURCE):
            return 0.1
        return {OWN: 0.5, FIRST_PREVIOUS: 0.7}.get(self.key_set, 1.0)


REFERENCES = (
    Method("ideal", "*the edit as the world draws it*", DRAWN),
    Method("unedited", "*the source through the VAE*", SOURCE),
)
BASELINES = (
    Method("sdedit", "SDEdit", FRESH_NOISE, OWN, baseline=True),
    Method("per_frame", "per frame, inversion", key_set=OWN, baseline=True),
    Method("full_frame", "+ full-frame attention", baseline=True),
)
CROSS = Method("cross", "+ cross modulation", st_layout=replace(st_layout.DEFAULT, self_strength=0.0))
ST_LAYOUT = Method("st_layout", "+ self modulation (`default` mode)", st_layout=st_layout.DEFAULT)
DEFAULT = replace(ST_LAYOUT, name="default", label="**+ blend: our default**", blend=True)
PASTED = replace(DEFAULT, name="pasted", label="+ the source's pixels outside", paste=True)

ATTENTION = tuple(  # against ST_LAYOUT
    replace(ST_LAYOUT, name=name, label=label, st_layout=settings)
    for name, label, settings in (
        ("paper", "mode `paper`", st_layout.PAPER),
        ("reference", "mode `reference`", st_layout.REFERENCE),
        ("self_negative", "self role: negative", replace(st_layout.DEFAULT, self_role="negative")),
        ("self_positive", "self role: positive", replace(st_layout.DEFAULT, self_role="positive")),
        ("self_both", "self role: both", replace(st_layout.DEFAULT, self_role="both")),
        ("levels_all", "all levels", replace(st_layout.DEFAULT, levels="all")),
        ("levels_coarse", "levels below full resolution", replace(st_layout.DEFAULT, levels="below full resolution")),
        ("self_size", "self size term: area", replace(st_layout.DEFAULT, self_size="area")),
        ("self_size_frames", "self size term: area / frames", replace(st_layout.DEFAULT, self_size="area / frames")),
        ("self_size_off", "self size term: off", replace(st_layout.DEFAULT, self_size="off")),
        ("cross_size_off", "cross size term: off", replace(st_layout.DEFAULT, cross_size="off")),
    )
)
SCHEDULE = tuple(  # against ST_LAYOUT: how strong, and until when
    replace(ST_LAYOUT, name=name, label=label, st_layout=replace(st_layout.DEFAULT, **choices))
    for name, label, choices in (
        ("power_0", "strength kept to the end (power 0)", {"power": 0.0}),
        ("power_1", "strength falls with τ (power 1)", {"power": 1.0}),
        ("half", "nothing in the second half", {"end_percent": 0.5}),
        ("self_0.3", "self strength 0.3", {"self_strength": 0.3}),
        ("self_0.6", "self strength 0.6", {"self_strength": 0.6}),
        ("fast", "`fast`: Δ from an eighth of the keys", {"fast": True}),
    )
)
KEY_SETS = (
    replace(ST_LAYOUT, name="keys_own", label="ST-Layout over each frame's own keys", key_set=OWN),
    replace(ST_LAYOUT, name="keys_first_previous", label="ST-Layout over first + previous", key_set=FIRST_PREVIOUS),
)
MASKS = (  # against DEFAULT
    *(
        replace(DEFAULT, name=name, label=label, masks=shape)
        for name, label, shape in (
            ("clusters", "clusters instead of true masks", CLUSTERS),
            ("dilated", "masks 8 px too large", DILATED),
            ("eroded", "masks 8 px too small", ERODED),
            ("shifted", "masks 8 px off", SHIFTED),
            ("boxes", "boxes for masks", BOXES),
        )
    ),
    replace(DEFAULT, name="changed_only", label="regions only where something changes", bound=CHANGED_AREAS),
    replace(DEFAULT, name="blend_grown", label="blend 8 px wider than the masks", grow=1),
)

HEADLINE = (*REFERENCES, *BASELINES, CROSS, ST_LAYOUT, DEFAULT, PASTED)  # once on the test clips
ABLATIONS = (CROSS, ST_LAYOUT, DEFAULT, *SCHEDULE, *ATTENTION, *KEY_SETS, *MASKS)  # on the development clips
QUICK = (*REFERENCES, *BASELINES[1:], DEFAULT)
METHODS = {method.name: method for method in (*HEADLINE, *ABLATIONS)}  # in the order of tables
