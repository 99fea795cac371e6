"""Prepared images written as tar shards, for storage that is fast only when read sequentially."""
