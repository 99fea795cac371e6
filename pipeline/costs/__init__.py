"""How many operations a network needs, and how long a stage will take."""
