"""Compares finished experiments from their result files, without training anything."""
