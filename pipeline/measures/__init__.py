"""Output of evaluations: measured values, with the data of their intervals."""
