"""The toy world, what draws it, and what judges it: the demo model and its data.

`python demo/train.py` makes the weights again; MODEL_CARD.md says what they can do.
"""
