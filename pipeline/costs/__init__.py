"""Counts the operations of networks, and forecasts the time of stages."""
