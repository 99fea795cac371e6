"""Reads weights of other projects, and converts them to this project's arrays."""
