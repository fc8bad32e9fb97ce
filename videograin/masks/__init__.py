"""Masks from boxes, marks, clusters and drawings."""
