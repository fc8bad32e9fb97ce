"""Pictures and text that a node shows."""
