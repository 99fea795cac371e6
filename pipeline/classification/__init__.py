"""Classifiers made of whole backbones: network, batches, loss, predictions."""
