"""VideoGrain for ComfyUI: multi-grained video editing on Stable Diffusion UNets."""

WEB_DIRECTORY = "./js"


async def comfy_entrypoint():
    # Imported late: the package can then be read (by tests, by tools) where there is no ComfyUI.
    from .nodes import VideoGrainExtension

    return VideoGrainExtension()
