"""Save and load an inversion: invert a clip once, edit it many times, on other days too."""

from comfy_api.latest import io, ui

from ..videograin.comfyui import inversion_files
from ..videograin.core.inversion_record import PRECISIONS
from .declared import declared
from .types import Category, Inversion


class SaveInversion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainSaveInversion",
            display_name="Save Inversion",
            category=Category.INVERSION,
            description=(
                "Writes an inversion into ComfyUI's output/inversions folder, as one safetensors file. Load Inversion "
                "reads it back, and an edit of the same clip needs no inversion any more."
            ),
            search_aliases=["cache inversion", "store inversion", "keep noise"],
            is_output_node=True,
            inputs=[
                Inversion.Input("inversion", tooltip="DDIM Inversion's `inversion`."),
                io.Latent.Input("noise", tooltip="DDIM Inversion's `noise`, where an edit starts."),
                io.String.Input(
                    "filename_prefix", default="clip", tooltip="Begins the file's name; a slash makes a folder."
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="fp32",
                    tooltip="Of the levels between the clip and its noise, which are kept exactly. fp16 halves the "
                    "file and is accurate to a thousandth.",
                ),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="The file's name, as Load Inversion lists it.")],
        )

    @classmethod
    @declared
    def execute(cls, inversion, noise, filename_prefix: str = "clip", precision: str = "fp32") -> io.NodeOutput:
        name = inversion_files.save(inversion, noise["samples"], filename_prefix, precision)
        return io.NodeOutput(name, ui=ui.PreviewText(f"Saved {name}"))


class LoadInversion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainLoadInversion",
            display_name="Load Inversion",
            category=Category.INVERSION,
            description=(
                "Reads a file of Save Inversion: the same outputs as DDIM Inversion, without its time. Files lie in "
                "ComfyUI's output/inversions or input/inversions folder."
            ),
            search_aliases=["cached inversion", "re-edit", "restore inversion"],
            inputs=[
                io.Combo.Input("file", options=inversion_files.listed(), tooltip="Newest first."),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="The MODEL the sampler will use: anything that differs from the one the clip was inverted "
                    "with is told before anything is computed.",
                ),
                io.Latent.Input(
                    "latent", optional=True, tooltip="The clip, VAE-encoded: told if it is not the saved one."
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="noise",
                    tooltip="Where the edit starts: the sampler's `latent_image`, with added noise disabled. With Wan, a sampler that takes no "
                    "`sigmas` takes it up only if its MODEL has passed through one of our nodes.",
                ),
                Inversion.Output(display_name="inversion", tooltip="The clip at every noise level, for Latent Blend."),
                io.Sigmas.Output(display_name="sigmas", tooltip="The levels, descending, for SamplerCustomAdvanced."),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str = "") -> bool | str:
        """Replaces the check against the list, which may be older than the file."""
        try:
            inversion_files.resolve(file)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file: str = "", **inputs) -> str:
        try:
            stat = inversion_files.resolve(file).stat()
        except (ValueError, OSError):
            return ""
        return f"{stat.st_mtime_ns} {stat.st_size}"

    @classmethod
    @declared
    def execute(cls, file: str, model=None, latent=None) -> io.NodeOutput:
        samples = None if latent is None else latent["samples"]
        inversion, noise = inversion_files.load(file, model, samples)
        return io.NodeOutput({"samples": noise}, inversion, inversion.sigmas)
