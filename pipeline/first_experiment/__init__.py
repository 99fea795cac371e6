"""From a folder of images to an experiment for it: what is there, what fits the time, and the file."""
