"""Every interval that a table or a sentence shows."""
