"""The edit benchmark: clips whose truth is known, edited through real graphs in the real host, and judged."""
