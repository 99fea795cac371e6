"""Fine-tuning of a backbone with a head: one loop for segmentation, detection and classification."""
