"""Pretraining: the methods, the HSSL objective, one optimiser step."""
