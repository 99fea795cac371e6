"""Reads weights that other projects have written, and converts them to this project's arrays."""
