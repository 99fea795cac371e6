"""Auxiliary heads: one file for each kind of block, their keys and costs in `kinds`."""
