"""Files of our own: inversions, chunks, and tensors too large for memory."""
