"""The engine: it lets features and backbones act in ComfyUI's own sampling, and names none of them."""
