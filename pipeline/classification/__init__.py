"""Classifiers fine-tuned from whole backbones: network, batches, loss, predictions."""
