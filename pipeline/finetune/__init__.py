"""Fine-tuning of a backbone with a head for a dense task: one loop for segmentation and detection."""
