"""Probes of cached features: one file each, their settings in `settings`."""
