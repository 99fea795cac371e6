"""Label maps, a class for every pixel: readers of the layouts they come in, checks, and their store."""
