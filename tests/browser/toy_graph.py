"""Parts of graphs on the demo model that several tests build: with few steps, to see that they run, not what they draw."""

from pack.tools.workflows.graph import Node

MODEL = Node("model", "VideoGrainLoadDemoModel")
INVERTED = [
    Node("latent", "VAEEncode", links={"pixels": "clip.frames", "vae": "model.vae"}),
    Node("source", "CLIPTextEncode", links={"clip": "model.clip", "text": "clip.caption"}),
    Node(
        "inversion",
        "VideoGrainDDIMInversion",
        links={"model": "model.model", "conditioning": "source.CONDITIONING", "latent": "latent.LATENT"},
        values={"steps": 2, "refinements": 0},
    ),
]


def attention_layout(clusters: int) -> Node:
    """Attention Layout of the inverted clip."""
    return Node(
        "layout",
        "VideoGrainAttentionLayout",
        links={"model": "model.model", "inversion": "inversion.inversion", "conditioning": "source.CONDITIONING"},
        values={"steps": 1, "start_percent": 0.0, "clusters": clusters},
    )
