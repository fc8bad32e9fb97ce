"""The papers, in torch only. One file is one section or one idea; nothing here knows ComfyUI, a node or a widget."""
