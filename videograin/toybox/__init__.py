"""The toy world, the demo model that draws it, and the judge that names what a picture shows.

`python demo/train.py` trains the weights again; MODEL_CARD.md says what they can do.
"""
