"""Probes of frozen patch features: nothing is trained but a linear classifier."""
