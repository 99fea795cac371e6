"""From measured values to rows, intervals and tables."""
