"""Translates the command line of the released HSSL code into an experiment of this project."""
