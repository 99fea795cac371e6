"""Names of the files that a joint training writes."""

SCORES = "scores.json"  # candidate -> proxy -> value, and "<proxy>_se"
COST = "cost.json"  # the result of `measured_cost`
