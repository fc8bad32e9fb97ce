"""Measurements of benchmarks/speed.py: one module for each benchmark, and their shared parts."""
