"""Published sets of classified images, each in its own layout and with its official splits."""
