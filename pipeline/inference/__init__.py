"""What an experiment's networks say of images that it has never seen: vectors, label maps, objects, classes."""
