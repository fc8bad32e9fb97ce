"""Families of models, one a file: where attention sits, where frames live, what a noise level means."""
