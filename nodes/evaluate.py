"""Evaluate Edit: numbers for the quality of an edit."""

from comfy_api.latest import io

from ..videograin.jobs.measure_edit import Models, Texts, measure
from ..videograin.metrics import report
from ..videograin.metrics.report import Need
from .declared import declared
from .types import Category, OpticalFlow, Regions

NAMES = {
    Need.CLIP_VISION: "`clip_vision`",
    Need.CLIP: "`clip`",
    Need.TARGET: "`target_text`",
    Need.SOURCE: "`source_text`",
    Need.REGIONS: "`regions`",
    Need.PAIR: "a second frame",
    Need.BACKGROUND: "a pixel outside the regions",
    Need.DETECTIONS: "`detections`",
    Need.RELATIONS: "`relations` or two `regions` with phrases",
}
SCORES = ("clip_f", "frame_consistency", "clip_t", "frame_acc", "warp_err", "pixel_mse", "q_edit", "background_psnr")


class EvaluateEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainEvaluateEdit",
            display_name="Evaluate Edit",
            category=Category.CHECK,
            description=(
                "Measures an edited clip: is it steady, does it show what was asked, is the rest untouched? Every input "
                "beyond the two clips adds numbers; the table says how each is computed and what is missing for the others."
            ),
            search_aliases=[
                "metrics",
                "CLIP score",
                "warp error",
                "temporal consistency",
                "PSNR",
                "quality",
                "benchmark",
            ],
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Image.Input(
                    "source", tooltip="The clip before the edit, as it was encoded: same frames, same size."
                ),
                io.Image.Input("edited", tooltip="The clip after the edit, as many frames of the same size."),
                Regions.Input(
                    "regions",
                    optional=True,
                    tooltip="The regions that were edited, from Region Prompt, for the background PSNR: all outside them "
                    "should be as before.",
                ),
                io.String.Input(
                    "target_text",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="What the edited clip should show, for CLIP-T, Frame-Acc and Q-edit. CLIP reads 75 tokens of it.",
                ),
                io.String.Input(
                    "source_text",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="What the source clip shows, for Frame-Acc: is a frame nearer to the target text than to this?",
                ),
                io.Clip.Input(
                    "clip",
                    optional=True,
                    tooltip="The text half of the CLIP whose vision model is connected: clip_l with ViT-L/14, SD 2.x's with "
                    "ViT-H/14, SDXL's with ViT-bigG/14. The text encoder of an SD 1.x checkpoint lacks what is needed: "
                    "take clip_l by Load CLIP.",
                ),
                io.ClipVision.Input(
                    "clip_vision",
                    optional=True,
                    tooltip="A CLIP vision model, for all CLIP numbers. They differ from model to model: compare only "
                    "numbers of the same one.",
                ),
                OpticalFlow.Input(
                    "optical_flow",
                    optional=True,
                    tooltip="RAFT from Load Optical Flow Model (ComfyUI 0.24 and later), as in the papers. Without it "
                    "OpenCV's DIS finds the source's motion, on the CPU.",
                ),
                io.String.Input(
                    "detections",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="What a detector found in the edited frames, for VISOR: one line for each thing, its name, a colon, "
                    "then x, y, width, height in pixels and the frame from 0: “cat: 24, 40, 60, 60 at 0; 25, 40, 60, 60 at "
                    "1”. A thing may be found several times in a frame; “none” says that nothing was found in any.",
                ),
                io.String.Input(
                    "relations",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="What VISOR asks of every frame, one relation a line: “cat left of dog”, with left of, right of, "
                    "above or below. Empty: as the centres of the regions lie to each other in each frame. Names are those "
                    "of `detections`, word for word, articles aside.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    display_name="clip_f",
                    tooltip="CLIP-F: mean cosine of consecutive edited frames, at most 1; higher is steadier. NaN, like every "
                    "number here, while an input it needs is missing.",
                ),
                io.Float.Output(
                    display_name="frame_consistency",
                    tooltip="Mean cosine over all pairs of edited frames, at most 1. Lower than CLIP-F on the same clip.",
                ),
                io.Float.Output(
                    display_name="clip_t",
                    tooltip="CLIP-T: 100 × cosine of frame and target text, averaged; higher fits the text better.",
                ),
                io.Float.Output(
                    display_name="frame_acc",
                    tooltip="Frame-Acc: share of frames, 0 to 1, at least as near to the target text as to the source text.",
                ),
                io.Float.Output(
                    display_name="warp_err",
                    tooltip="Warp-Err: 100 × mean squared difference of each frame and the one before, moved along the "
                    "source's motion, where that is visible; lower is steadier. The table has it unmasked, too.",
                ),
                io.Float.Output(
                    display_name="pixel_mse",
                    tooltip="Pixel-MSE: the same difference, 0 where hidden, averaged over all pixels, which are 0 to 1.",
                ),
                io.Float.Output(
                    display_name="q_edit", tooltip="Q-edit: clip_t / warp_err; higher is better. Infinite at no error."
                ),
                io.Float.Output(
                    display_name="background_psnr",
                    tooltip="PSNR in dB against the source outside all regions; higher is better, infinite if untouched.",
                ),
                io.String.Output(
                    display_name="table", tooltip="All numbers with their forms, as Markdown, for Preview as Text."
                ),
                io.Image.Output(
                    display_name="plot", tooltip="Their curves over the frames, one picture, 960 pixels wide."
                ),
                io.Float.Output(
                    display_name="visor",
                    tooltip="VISOR: of 100 frames, how many show every thing of `detections`, related as asked. The table "
                    "has its two factors.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, source, edited, regions=(), target_text: str = "", source_text: str = "", clip=None,
                clip_vision=None, optical_flow=None, detections: str = "", relations: str = "") -> io.NodeOutput:  # fmt: skip
        texts = Texts(target_text, source_text, detections, relations)
        found = measure(source, edited, regions, texts, Models(clip, clip_vision, optical_flow))
        numbers = report.numbers(found)
        scores = [numbers[name] for name in SCORES]
        return io.NodeOutput(*scores, report.table(found, NAMES), report.plot(found), numbers["visor"])
