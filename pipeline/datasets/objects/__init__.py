"""Objects, with boxes and, if known, masks: readers, checks, and storage."""
