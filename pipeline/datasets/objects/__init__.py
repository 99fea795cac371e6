"""Objects, with boxes and where known with masks: readers, checks, and their store."""
