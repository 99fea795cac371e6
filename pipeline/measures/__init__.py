"""What evaluations write: measured values, with what their intervals are made of."""
