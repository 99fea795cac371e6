"""`doit run watch`: what an experiment is doing now, for people in front of a terminal."""
