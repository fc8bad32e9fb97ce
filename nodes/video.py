"""Load Video Frames and Before/After Video: clips in, and an edit beside its source."""

from comfy_api.latest import io
from PIL import ImageColor

from ..videograin.backbones.wan import PER_LATENT
from ..videograin.comfyui import input_files, previews, progress
from ..videograin.media import resize
from ..videograin.media.backdrop import Colour
from ..videograin.media.clip import NODE
from ..videograin.media.load import load
from ..videograin.media.rates import UNTIMED_RATE, exact_rate
from ..videograin.media.selection import Pick, Trim
from ..videograin.views import before_after
from .declared import declared
from .types import Category

UNCONNECTED = False  # ComfyUI leaves an input without a link out
PLAYER_SIDE = 1024  # pixels of each clip's picture on Before/After Video
PLAYER_RATE = 8.0  # frames per second where none are connected


def seconds(name: str, tooltip: str) -> io.Float.Input:
    """An input for a time in a clip, in seconds; 0 changes nothing."""
    return io.Float.Input(
        name, default=0.0, min=0.0, max=1_000_000.0, step=0.001, optional=True, advanced=True, tooltip=tooltip
    )


def colour_of(text: str) -> Colour:
    """The colour of #RRGGBB or of a colour name. Raises ValueError for anything else."""
    try:
        return ImageColor.getrgb(text.strip())[:3]
    except (ValueError, AttributeError):
        raise ValueError(
            f"{NODE}' `background` is {text!r}, but must be a colour: #RRGGBB, such as #000000, or a name, such as black."
        ) from None


class LoadVideoFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainLoadVideoFrames",
            display_name="Load Video Frames",
            category=Category.START,
            description=(
                "Reads a video, a GIF, an animated WebP or a folder of images as frames, at the rate and size an edit "
                "needs. Frames are chosen in this order: start_time and duration, force_rate, skip, every_nth, cap."
            ),
            search_aliases=["load video", "video to images", "import video", "image sequence", "gif", "webp", "frames"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=input_files.listed(),
                    upload=io.UploadType.video,
                    tooltip="A video (MP4, MOV, WebM, MKV, AVI, GIF, animated WebP …) or a folder of images in "
                    "ComfyUI's input folder. A folder's images are sorted naturally: frame2 before frame10. Ignored "
                    "while `video` is connected.",
                ),
                io.Float.Input(
                    "force_rate",
                    default=0.0,
                    min=0.0,
                    max=240.0,
                    step=0.001,
                    tooltip="Frames per second, 0 to 240. Frame i shows what is on screen at i / force_rate seconds, so "
                    f"motion keeps its speed. 0: each source frame once. A folder of images plays at it, or at "
                    f"{float(UNTIMED_RATE):g}.",
                ),
                io.Int.Input(
                    "skip",
                    default=0,
                    min=0,
                    max=10_000_000,
                    advanced=True,
                    tooltip="Leading frames left out, counted at force_rate.",
                ),
                io.Int.Input(
                    "every_nth",
                    default=1,
                    min=1,
                    max=1000,
                    advanced=True,
                    tooltip="Takes one frame of so many, 1 to 1000, after skip; 1 takes all.",
                ),
                io.Int.Input(
                    "cap",
                    default=0,
                    min=0,
                    max=10_000_000,
                    tooltip="Most frames to load; 0 for all that fit into free memory.",
                ),
                io.Combo.Input(
                    "size",
                    options=list(resize.MODES),
                    default="multiple of 8, cropped",
                    tooltip="keep: the source's size. A multiple of 8 is what Stable Diffusion needs, of 64 what suits "
                    "every level of its UNet: cropped loses up to 7 or 63 pixels a side's length, padded repeats the "
                    "edge pixels; both equally on opposite sides. exact: cut around the centre to the aspect of width "
                    "and height, then resized.",
                ),
                io.Int.Input(
                    "width",
                    default=512,
                    min=8,
                    max=8192,
                    step=8,
                    tooltip="Width of the frames in pixels, 8 to 8192; only for size “exact”.",
                ),
                io.Int.Input(
                    "height",
                    default=512,
                    min=8,
                    max=8192,
                    step=8,
                    tooltip="Height of the frames in pixels, 8 to 8192; only for size “exact”.",
                ),
                io.Video.Input(
                    "video",
                    optional=True,
                    tooltip="A VIDEO of any node, read instead of `file`, within its trim.",
                ),
                seconds(
                    "start_time",
                    "Seconds from the clip's beginning, 0 to 1000000; frames that appear earlier are left out. "
                    "All other settings see only what start_time and duration leave: skip counts from there, and "
                    "force_rate begins at the first frame left.",
                ),
                seconds(
                    "duration",
                    "Seconds after start_time, 0 to 1000000; frames that appear then or later are left out. "
                    "0: to the end. cap may end the clip sooner.",
                ),
                io.String.Input(
                    "background",
                    default="white",
                    optional=True,
                    advanced=True,
                    tooltip="The colour behind transparent parts (WebM, GIF, APNG, WebP, MOV, images): a name such as "
                    "white, black or lime, or #RRGGBB.",
                ),
                io.Boolean.Input(
                    "count_for_wan",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip="Leaves out up to three frames at the end, so that there are 1, 5, 9, 13 … as Wan's VAE takes them: others it "
                    "would leave out unsaid.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="The frames: F pictures, RGB, 0 to 1."),
                io.Float.Output(
                    display_name="fps",
                    tooltip="Frames per second at which these frames play at the source's speed, for Create Video.",
                ),
                io.Audio.Output(
                    display_name="audio", tooltip="The sound of the same time; empty if the clip has none."
                ),
                io.String.Output(
                    display_name="info", tooltip="What the file is and what was loaded of it, as text to read."
                ),
                io.Int.Output(display_name="frame_count", tooltip="Number of frames loaded."),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str = "", video=UNCONNECTED) -> bool | str:
        """`video` without a value is connected; then `file` is ignored."""
        if video is None or file is None:  # or `file` comes by a link
            return True
        try:
            input_files.resolve(file)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file: str = "", **inputs) -> str:
        try:
            return input_files.fingerprint(input_files.resolve(file))
        except (ValueError, OSError):  # no such file; this is allowed while `video` is connected
            return ""

    @classmethod
    @declared
    def execute(cls, file: str, force_rate: float, skip: int, every_nth: int, cap: int, size: str, width: int,
                height: int, video=None, start_time: float = 0.0, duration: float = 0.0,
                background: str = "white", count_for_wan: bool = False) -> io.NodeOutput:  # fmt: skip
        rate, colour = exact_rate(force_rate), colour_of(background)
        source = input_files.from_input(file, rate, colour) if video is None else input_files.from_video(video, colour)
        clip = load(
            source,
            Pick(rate, skip, every_nth, cap, PER_LATENT if count_for_wan else 1),
            resize.Fit(size, width, height),
            limit=input_files.memory_limit(),
            watch=progress.watcher(),
            trim=Trim.seconds(start_time, duration),
        )
        if clip.notes:
            progress.tell("\n".join(clip.notes))
        return io.NodeOutput(clip.frames, clip.fps, clip.sound and clip.sound._asdict(), clip.info, len(clip.frames))


class BeforeAfterVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainBeforeAfterVideo",
            display_name="Before/After Video",
            category=Category.START,
            description=(
                "Shows a clip and its edit in one: next to each other, or one wiped over the other. After a run, the node "
                "plays them, frame by frame if you like."
            ),
            search_aliases=["compare video", "side by side", "wipe", "image comparer", "split screen", "video player"],
            is_output_node=True,
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Image.Input("source", tooltip="The clip before the edit: left, on top, or left of the line."),
                io.Image.Input(
                    "edited",
                    tooltip="The clip after the edit, as many frames; resized to the source's size if it differs.",
                ),
                io.Combo.Input(
                    "mode",
                    options=list(before_after.MODES),
                    default=before_after.SIDE_BY_SIDE,
                    tooltip="How `frames` come out: next to each other, one above the other, or wiped, the source left of a line. A "
                    "moving line goes to the right end and back once. The player below has a choice of its own.",
                ),
                io.Float.Input(
                    "position",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Where a fixed line stands, 0 (left end, all edit) to 1 (right end, all source).",
                ),
                io.Int.Input(
                    "line",
                    default=4,
                    min=0,
                    max=128,
                    step=2,
                    optional=True,
                    tooltip="Width in pixels, 0 to 128, of the line, or of the gap between the clips; even, so that "
                    "videos can be saved.",
                ),
                io.Combo.Input(
                    "colour",
                    options=list(before_after.COLOURS),
                    default="white",
                    optional=True,
                    tooltip="Colour of the line or gap.",
                ),
                io.Float.Input(
                    "fps",
                    optional=True,
                    force_input=True,
                    tooltip="Frames per second of the player on the node, from Load Video Frames; "
                    f"{PLAYER_RATE:g} if nothing is connected. The output does not depend on it.",
                ),
            ],
            outputs=[io.Image.Output(display_name="frames", tooltip="The comparison: F frames, RGB, 0 to 1.")],
        )

    @classmethod
    @declared
    def execute(cls, source, edited, mode: str, position: float, line: int = 4, colour: str = "white",
                fps: float = PLAYER_RATE) -> io.NodeOutput:  # fmt: skip
        frames = before_after.before_after(source, edited, mode, position, line, colour)
        player = {
            "source": previews.pictures(source, "before", PLAYER_SIDE),
            "edited": previews.pictures(edited, "after", PLAYER_SIDE),
            "size": [source.shape[2], source.shape[1]],
            "fps": fps if fps > 0 else PLAYER_RATE,
            "mode": mode,
            "position": position,
        }
        return io.NodeOutput(frames, ui=previews.shown("player", player))
