"""How many operations a network takes."""
