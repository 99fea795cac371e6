"""Trained bases for other projects: their names, their files, and the comparison with their own code."""
