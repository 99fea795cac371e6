"""Atomic file writes, and artifacts with their stamps."""
