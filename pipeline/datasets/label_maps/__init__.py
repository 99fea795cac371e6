"""Label maps, a class for every pixel: readers of their layouts, checks, and storage."""
