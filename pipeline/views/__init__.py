"""Features of a backbone and its auxiliary head on a few images: vectors, attention, PCA colours."""
