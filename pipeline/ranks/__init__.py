"""Processes that train one network together: what they exchange."""
