"""`doit run replay`: rebuilds a stage's training, so that one of its steps can be run again."""
