"""The papers: torch only. One file is one section or one idea; nothing here knows ComfyUI, a node or a widget."""
