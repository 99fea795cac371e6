"""What an experiment's networks say of any images: vectors, label maps, objects, classes."""
