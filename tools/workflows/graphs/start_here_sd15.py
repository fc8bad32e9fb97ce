"""workflows/1 Start here (Stable Diffusion 1.5): a clip of one's own, its things marked on the first frame."""

from ..parts import demo_video
from ..start import start
from ..twin import FRAMES, SD15, SIDE, checkpoint

NOTE = f"""\
1. **Your clip**: *choose file to upload*. {FRAMES} frames of {SIDE}×{SIDE} at 8 a second are two seconds.
2. **Regions**: in each row write what a thing *is* and what it *becomes*, and draw a box around it.
3. **Run.** Look at the masks in *Regions*: a box in another frame helps where they are wrong.

Change a word and run again: only the first run inverts the clip. Things look like stickers? Lower *strength*. Another result: another *seed*, and more *variation*.

Weights: `{SD15.weights.name}` or any Stable Diffusion 1.5 checkpoint. Nobody has run this on a GPU yet.
"""
MODEL = checkpoint("model", "Load Checkpoint", SD15.weights)
CLIP = demo_video("Your clip", SIDE, FRAMES)
GRAPH = start("start_here_sd15", NOTE, MODEL, CLIP, rows="", scene="", steps=30)
