"""Attention over whole clips: which keys a frame sees, and how regions change the scores."""
