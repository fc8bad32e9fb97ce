"""What benchmarks/speed.py measures: one module a benchmark, and what all of them share."""
