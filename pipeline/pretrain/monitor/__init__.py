"""Measures the quality of features during pretraining."""
