"""Applies an experiment's networks to any images: vectors, label maps, objects, classes."""
