"""The library: data, models, objective, probes and tables. It reads no command line and prints nothing."""
