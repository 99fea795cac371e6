"""The training loop and its parts: random generators, image order, prefetching, checkpoints, log."""
