"""Probes of frozen patch features; only a linear classifier is trained."""
