"""A step whose numbers are not finite: found, saved with all that it starts from, repeated, and looked at."""
