"""Writes a first experiment for a folder of images: facts about the images, choices, and the file."""
