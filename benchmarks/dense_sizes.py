"""What the programs of a dense step have in common, and leave for one another."""

NUM_CLASSES = 15  # of photo-scenes
LR, WEIGHT_DECAY = 1e-4, 0.05
FIRST = "first.safetensors"  # weights before the first step, by the project's names
BATCH = "batch.npz"  # images, label_maps
