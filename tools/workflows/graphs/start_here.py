"""workflows/1 Start here: the demo clip, two things marked, what each becomes; runs as it opens, on the demo model."""

import json

from ..graph import Node
from ..parts import PIG, WOLF, demo_video
from ..start import start

NOTE = """\
**Press Run.** The wolf becomes a panda, the pig a robot; all else stays. On a CPU it takes some minutes.

**Your turn:** in *Regions*, choose a row, draw a box around its thing, write what it *is* and what it *becomes*. Run again: \
the clip is not inverted again.

The demo model draws emoji only. For a film of your own open *1 Start here (Stable Diffusion 1.5)*.
"""
ROWS = [
    {"is": "a wolf", "becomes": "a panda", "marks": WOLF},
    {"is": "a pig", "becomes": "a robot", "marks": PIG},
]
GRAPH = start(
    "start_here",
    NOTE,
    Node("model", "VideoGrainLoadDemoModel"),
    demo_video(),
    json.dumps(ROWS),
    "a wolf and a pig in the snow",
)
