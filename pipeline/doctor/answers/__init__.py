"""Known-answer tests of `doit run doctor deep=yes`: the code that runs use, on inputs with known results."""
