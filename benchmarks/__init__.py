"""Benchmarks: the project's speed on this machine, beside other programs that compute the same."""
