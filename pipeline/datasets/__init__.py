"""Images from wherever they come to one prepared, checked, split data set."""
