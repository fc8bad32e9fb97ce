"""How the demo model is made: `python demo/train.py` runs these stages one after another."""
