"""Development: provisions ComfyUI, starts it, and makes what the repository ships. No node uses it."""
