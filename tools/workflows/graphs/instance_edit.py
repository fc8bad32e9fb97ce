"""workflows/instance_edit: two objects of the demo clip become two other things, each by its own words."""

from ..graph import Graph, Group
from ..parts import (
    REGIONS,
    RESULT,
    bind,
    clip_group,
    edit_group,
    inversion_group,
    paste,
    region,
    save,
    video,
)

clip = clip_group(
    "1 Clip",
    """\
## What to edit
The demo clip comes with the exact mask of each object, and the demo model is tiny: nothing is \
downloaded, a CPU is enough.

**Your own:** Load Checkpoint (any Stable Diffusion 1.5 UNet) instead of Load Demo Model; Load Video Frames \
instead of Demo Clip; masks from any segmentation pack, one per frame.""",
    left="wolf",
    right="pig",
    background="snow",
)

inversion = inversion_group(
    "2 Inversion",
    """\
## Which noise gives this clip back?
DDIM Inversion walks the clip to noise along the model's own path. It needs \
words for the clip *as it is*. Full-Frame Attention lets every frame see all others and must stand before both the \
inversion and the sampler.""",
)

regions = Group(
    "3 Regions",
    REGIONS,
    """\
## Which words belong where
Each Region Prompt ties a mask to a phrase; chain as many as you need. Bind Region \
Prompts finds the phrases in the prompt of the whole edited clip, so they must stand there word for word.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "a bear"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a frog", before="left"),
        ],
        [bind("right", "a bear and a frog in the snow")],
    ],
)

edit = edit_group(
    "4 Edit",
    """\
## Draw it again with the new words
ST-Layout Attention keeps each phrase in its region, Latent Blend holds the \
rest to the source. The sampler starts from the *inversion's* noise, so **add_noise is disabled**; its steps and \
scheduler are those of the inversion.

Edit too weak? Lower ST-Layout's power. New object cut off? Raise Latent Blend's grow. Colours burnt? Lower cfg.""",
)

result = Group(
    "5 Result",
    RESULT,
    """\
## Keep every background pixel
The VAE alone changes pixels a little everywhere. So the edit is pasted into the \
source's own frames: inside the regions and a soft edge around them. Farther out every pixel is the source's, whatever the clip's size.

A third region? Chain its Region Prompt, and connect the last one here too. Is the new thing cut off? Raise *grow*.""",
    columns=[
        [
            paste({"regions": "right.regions"}),
            video("edit_video", "Edited clip", "result.frames"),
            video("source_video", "Source clip", "clip.frames"),
        ],
        [
            save("save_edit", "Save the edit", "edit_video.VIDEO", "edit"),
            save("save_source", "Save the source", "source_video.VIDEO", "source"),
        ],
    ],
)

GRAPH = Graph(
    "instance_edit",
    columns=[[clip], [inversion, regions], [edit], [result]],
    footage={"wolf": "dog", "pig": "cat", "bear": "wolf", "frog": "tiger", "in the snow": "in a garden"},
)
