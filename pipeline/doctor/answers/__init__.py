"""Known answers, for `doit run doctor deep=yes`: what a good machine gives through the code that runs use."""
