"""The command line of the released HSSL code, translated into an experiment of this project."""
