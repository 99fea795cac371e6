"""Semantic segmentation: a decoder on a backbone, its training batches, inference and scores."""
