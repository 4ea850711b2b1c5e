"""Trains a network of our own for JPEG sources, and judges it against those that the engine takes.

Nothing of the product imports this package, and the product needs nothing that it needs.
"""
