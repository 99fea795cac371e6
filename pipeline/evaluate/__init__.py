"""Probes of frozen features (k-NN, linear, logistic), and the metrics of the dense tasks."""
