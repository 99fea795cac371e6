"""Benchmarks: the project's speed on this machine against other programs that compute the same."""
