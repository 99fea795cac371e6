"""The files that a joint training writes."""

SCORES = "scores.json"  # candidate -> proxy -> value, and "<proxy>_se"
COST = "cost.json"  # what was measured of time and size
