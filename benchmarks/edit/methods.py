"""All methods, in the order of tables, by the clips that they run on."""

from __future__ import annotations

from .ablations import ATTENTION, BASES, KEY_SETS, MASKS, SCHEDULE
from .method import BASELINES, CROSS, DEFAULT, HEADLINE, REFERENCES, ST_LAYOUT
from .neighbours import NEIGHBOURS

OWN_CHOICES = (*BASES, *SCHEDULE, *ATTENTION, *KEY_SETS, *MASKS)
ABLATIONS = (CROSS, ST_LAYOUT, DEFAULT, *OWN_CHOICES)  # on the development clips
SYSTEMS = (
    *BASELINES,
    CROSS,
    ST_LAYOUT,
    DEFAULT,
    *NEIGHBOURS,
)  # on the development clips too, as a separate run: hours more
QUICK = (*REFERENCES, *BASELINES[1:], DEFAULT)
METHODS = {method.name: method for method in (*HEADLINE, *ABLATIONS, *SYSTEMS)}  # HEADLINE: once on the test clips
