"""Whole files, and artifacts with their stamps."""
