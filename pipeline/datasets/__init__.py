"""Reads images of any supported format into one prepared, checked and split data set."""
