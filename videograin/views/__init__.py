"""Views: the pictures and text that a node shows."""
