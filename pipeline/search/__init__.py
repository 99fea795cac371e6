"""Candidate heads trained together on one base, and what is measured of each."""
