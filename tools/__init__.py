"""Development tools: provision ComfyUI, start it, and make the shipped workflows. No node uses them."""
