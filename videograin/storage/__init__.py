"""VideoGrain's own files: inversions, chunks of clips, and tensors too large for memory."""
