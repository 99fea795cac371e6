"""Tables of the studies of the auxiliary head: discrepancy, gain, and how their ranks agree."""
