"""The HSSL objective, its state, and the training loop."""
