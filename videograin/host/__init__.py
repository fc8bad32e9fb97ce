"""Where the method meets ComfyUI: the only code that imports comfy."""
