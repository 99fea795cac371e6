"""Images with any number of classes: probes that score them, average precision, F1, rows."""
