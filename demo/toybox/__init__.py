"""The toy world, what draws it, and what judges it: the demo's next model, in training.

`python demo/train.py` makes its weights. Once the painter keeps its promises, this takes the place of the prototype in
`demo/`, which Load Demo Model and Demo Clip still use.
"""
