"""Clips in and out: reading video files and images, their timing and size, pasting an edit back."""
