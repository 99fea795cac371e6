"""Forwards the metrics of a training to TensorBoard, wandb or MLflow."""
