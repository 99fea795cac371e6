"""The report of an experiment: one page that works offline, and its figures as files."""
