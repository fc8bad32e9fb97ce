"""workflows/fatezero: one object becomes another by its name alone, with no mask at all."""

from ..graph import Graph, Group, Node
from ..parts import (
    EDIT,
    LAYOUT,
    RESULT,
    clip_group,
    compare,
    decoded,
    encoded_text,
    inversion_group,
    negative_prompt,
    sampler,
    save,
    video,
)

SOURCE = {"inversion": "inversion.inversion", "conditioning": "source.CONDITIONING", "clip": "model.clip"}

clip = clip_group(
    "1 Clip",
    """\
## A clip, and no masks
A cat beside a tree. The cat is to be a tiger, and nothing tells the model where it is but its name.""",
    left="cat",
    right="tree",
    background="grass",
    seed=1,
)

inversion = inversion_group(
    "2 Inversion",
    """\
## Which noise gives this clip back?
As in *instance_edit*, but each frame looks at the middle one alone, as FateZero's do: quicker, and enough where the \
source leads. The INVERSION also serves the next group, which looks at the source again at each step.""",
    key_set="middle",
)

fusion = Group(
    "3 Fusion",
    LAYOUT,
    """\
## What is taken from the source
*Self-Attention Fusion*: which pixels look at which. It holds the picture's layout and motion, and lets go where the source's \
own attention finds the *words*, here “cat”.

*Cross-Attention Fusion*: where each word acts. “tiger” acts where “cat” did; the table shows which word follows which. \
“replace” wants as many words in both prompts; “refine” does without.

Old shape too strong? *preset* “custom” and a lower *end_percent*, in both. Too much of the surroundings changes? A higher \
*threshold*.""",
    columns=[
        [
            Node(
                "prompt",
                "PrimitiveStringMultiline",
                title="Edit prompt",
                values={"value": "a tiger and a tree on grass"},
                height=100,
            ),
            Node(
                "self_fusion",
                "VideoGrainSelfAttentionFusion",
                links={"model": "frames.model", **SOURCE, "source_prompt": "clip.caption"},
                values={"preset": "shape", "where": "outside words", "words": "cat", "levels": "all"},
            ),
        ],
        [
            Node(
                "cross_fusion",
                "VideoGrainCrossAttentionFusion",
                links={
                    "model": "self_fusion.model",
                    **SOURCE,
                    "source_prompt": "clip.caption",
                    "prompt": "prompt.STRING",
                },
                values={"preset": "shape", "mode": "replace", "levels": "all"},
            ),
            Node("alignment", "PreviewAny", title="Alignment", links={"source": "cross_fusion.alignment"}, height=330),
        ],
    ],
)

edit = Group(
    "4 Edit",
    EDIT,
    """\
## Draw it again with the new name
From the inversion's noise, so **add_noise is disabled**; steps and scheduler are the inversion's. No Region Prompt, no \
ST-Layout, no Latent Blend: for these there would have to be masks.

With masks, all of it goes together: *where* “outside regions”, and ST-Layout Attention on the same MODEL.""",
    columns=[
        [encoded_text("positive", "Prompt", {"clip": "model.clip", "text": "prompt.STRING"}), negative_prompt()],
        [
            sampler(
                "KSampler (Advanced), edit", "cross_fusion.model", "positive.CONDITIONING", "negative.CONDITIONING", 4.5
            ),
            decoded(),
        ],
    ],
)

result = Group(
    "5 Result",
    RESULT,
    """\
## Where the cat was, as the cat moved
Nothing is pasted here. The tree keeps place and shape, and is drawn anew all the same: what must not change by a single \
pixel needs a mask, as in *object_only*.""",
    columns=[
        [
            video("edit_video", "Edited clip", "decoded.IMAGE"),
            compare("decoded.IMAGE"),
            video("compare_video", "Before and after", "compare.frames"),
        ],
        [
            save("save_compare", "Save before and after", "compare_video.VIDEO", "before_after"),
            save("save_edit", "Save the edit", "edit_video.VIDEO", "edit"),
        ],
    ],
)

GRAPH = Graph(
    "fatezero",
    columns=[[clip], [inversion, fusion], [edit], [result]],
    footage={"cat": "jeep", "tiger": "porsche", "on grass": "on a road"},
)
