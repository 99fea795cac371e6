"""Candidate heads trained jointly on one base, with the scores and costs of each."""
