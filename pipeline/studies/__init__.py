"""Tables of the studies of the auxiliary head: discrepancy, gain, and their rank correlation."""
