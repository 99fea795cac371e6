"""Exports trained networks for other projects: names, files, and the comparison with their own code."""
