"""Flow-Guided Attention: attention along the motion of the source."""

from comfy_api.latest import io

from ..videograin.comfyui import wrappers
from ..videograin.jobs.motion import motion
from ..videograin.views.trajectories import draw_flow
from .declared import declared
from .types import Category, OpticalFlow

LEVELS = {"1/1": (1,), "1/1, 1/2": (1, 2), "1/1, 1/2, 1/4": (1, 2, 4), "all": (1, 2, 4, 8)}
OF_LAYER, DENSE = QUERIES = ("of the layer", "dense output")


class FlowGuidedAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainFlowGuidedAttention",
            display_name="Flow-Guided Attention",
            category=Category.ATTENTION,
            description=(
                "After the usual attention, each token looks along its own motion path through the source clip "
                "(FLATTEN), which steadies textures that move. Put it before both DDIM Inversion and the sampler, with "
                "Full-Frame Attention in any order."
            ),
            search_aliases=["FLATTEN", "optical flow", "trajectory attention", "flicker", "temporal consistency"],
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Model.Input("model", tooltip="A Stable Diffusion UNet; the batch of the latent is read as frames."),
                io.Image.Input("images", tooltip="The source clip: the frames that VAE Encode gets."),
                io.Combo.Input(
                    "levels",
                    options=list(LEVELS),
                    default="1/1",
                    tooltip="Attention grids where it acts, as shares of the latent's; the papers take the finest.",
                ),
                io.Boolean.Input(
                    "check_occlusion",
                    default=False,
                    tooltip="Ends a path where the next frame does not show its point, found by following the flow "
                    "there and back. Off is what the papers' code does; on takes the flow twice.",
                ),
                io.Combo.Input(
                    "queries",
                    options=list(QUERIES),
                    default=OF_LAYER,
                    optional=True,
                    advanced=True,
                    tooltip="What is compared along a path: the layer's own queries and keys, or the dense attention's "
                    "output (the papers' code: old_qk 1 or 0).",
                ),
                OpticalFlow.Input(
                    "optical_flow",
                    optional=True,
                    tooltip="RAFT from Load Optical Flow Model (ComfyUI 0.24 and later), as in the papers. Without it "
                    "OpenCV's DIS is used: no download, faster, and less sure of fast motion.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The MODEL with these paths; the input is unchanged."),
                io.Image.Output(
                    display_name="trajectories", tooltip="The paths that move, drawn on the frames, for Preview Image."
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, images, levels: str, check_occlusion: bool, queries: str = OF_LAYER,
                optical_flow=None) -> io.NodeOutput:  # fmt: skip
        record = motion(images, optical_flow, LEVELS[levels], check_occlusion, queries == OF_LAYER)
        return io.NodeOutput(wrappers.add(model, record), draw_flow(images[..., :3], record.flow))
