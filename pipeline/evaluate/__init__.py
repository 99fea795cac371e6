"""Probes of frozen features: k-NN, linear, logistic, and how sure their numbers are."""
