"""What carries out one node's whole work with the engine: inverting, long clips, looking at attention, measuring."""
