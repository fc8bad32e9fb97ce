"""Clips in and out: video files and images, their timing and size, and the paste of an edit."""
