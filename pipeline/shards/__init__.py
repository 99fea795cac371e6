"""Prepared images written as shards, for storage that is read from front to back."""
