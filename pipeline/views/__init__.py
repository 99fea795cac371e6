"""What a backbone and its auxiliary head make of a few images: vectors, attention, colours."""
