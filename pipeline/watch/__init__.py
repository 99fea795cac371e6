"""`doit run watch`: a live view of an experiment in the terminal."""
