"""Training of the demo model: `python demo/train.py` runs these stages one after another."""
