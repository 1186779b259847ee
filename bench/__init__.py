"""Figures: Riverrun beside its peers, measured in one run so that the noise of the machine hits both.

`python -m bench` (or `make bench`) prints one JSON line per result; nothing here asserts a time. What the product, the
peer and the bare limit do for a figure stands under one name in three files, so that the three can be compared by eye.
"""
