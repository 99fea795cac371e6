"""Writing files whole or not at all, and artifacts with their stamps."""
