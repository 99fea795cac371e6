"""`doit run replay`: a training as its stage makes it, to take one of its steps again."""
