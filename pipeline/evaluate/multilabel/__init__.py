"""Images with any number of classes: probes, average precision, F1, and result rows."""
