"""Weights that other projects have written: files, layouts, and this project's arrays made of them."""
