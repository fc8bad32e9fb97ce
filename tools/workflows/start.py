"""Start here: a clip, its things in rows, the blueprint, the result. Small enough to be read as it opens."""

from dataclasses import replace

from .blueprint import NAME as EDIT
from .graph import App, Graph, Group, Node

STEPS = 20


def start(
    name: str, note: str, model: Node, clip: Node, rows: str, scene: str, masks: dict[str, str] | None = None,
    finder: Node | None = None, before: tuple[Node, ...] = (), steps: int = STEPS,
) -> Graph:  # fmt: skip
    """The description of a workflow.

    note: in Markdown. model: MODEL, CLIP and VAE by their outputs' names in any case. clip: a Load Video Frames. rows,
    scene: Regions' values. masks: of rows, from the nodes `before`, which need the model `finder`.
    """
    upper = model.type == "CheckpointLoaderSimple"
    part = {name: f"model.{name.upper() if upper else name}" for name in ("model", "clip", "vae")}
    columns = [
        [
            Node("note", "MarkdownNote", "Start here", values={"text": note}, height=330, width=270),
            *(replace(each, width=270) for each in (model, finder) if each),
        ],
        [replace(clip, width=280)],
        *([[replace(each, width=240) for each in before]] if before else []),  # narrow: to be read as it opens
        [
            Node(
                "rows",
                "VideoGrainRegions",
                "Regions: what becomes what",
                links={"frames": "clip.frames", **(masks or {})},
                values={"rows": rows, "scene": scene},
                height=780,
                width=360,
            )
        ],
        [
            Node(
                "edit",
                EDIT,
                links={
                    **part,
                    "frames": "clip.frames",
                    "regions": "rows.regions",
                    "source_prompt": "rows.source_prompt",
                    "edited_prompt": "rows.edited_prompt",
                },
                values={"steps": steps},
                height=430,
                width=300,
            ),
            Node("video", "CreateVideo", links={"images": "edit.frames", "fps": "clip.fps", "audio": "clip.audio"}),
            Node("save", "SaveVideo", links={"video": "video.VIDEO"}, values={"filename_prefix": "videograin/edit"}),
        ],
        [
            Node(
                "compare",
                "VideoGrainBeforeAfterVideo",
                links={"source": "clip.frames", "edited": "edit.frames", "fps": "clip.fps"},
                height=640,
                width=350,
            )
        ],
    ]
    app = App(inputs=(("clip", "file"), ("rows", "videograin_view"), ("rows", "scene")), outputs=("save",))
    return Graph(name, [[Group("", "#333", "", columns)]], app=app)
