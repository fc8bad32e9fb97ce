"""The method: torch only. It reads like the papers and imports neither comfy nor the nodes."""
