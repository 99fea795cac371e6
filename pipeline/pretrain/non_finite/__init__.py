"""Handles a step whose numbers are not finite: found, saved with its initial state, repeated, and checked."""
