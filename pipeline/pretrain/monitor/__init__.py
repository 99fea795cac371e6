"""What features are worth, measured while pretraining runs."""
