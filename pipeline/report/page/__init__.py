"""The report of an experiment: one self-contained page, and its figures as files."""
