"""Finished experiments beside each other, from their published files: nothing is trained."""
