"""The product without its nodes. docs/ARCHITECTURE.md says which folder holds what, and what may import what."""
