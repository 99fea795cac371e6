"""Exact search among the rows of one block: products with a bound on their error, then sums in float64."""
