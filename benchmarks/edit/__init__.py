"""The edit benchmark: clips with ground truth, edited by real graphs in the real host, and judged."""
