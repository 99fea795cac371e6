"""Counts the floating-point operations of the probes of frozen features. A multiply-add counts as 2."""


def search_operations(num_queries: int, num_bank: int, channels: int) -> float:
    """Operations for the similarities of every query with every vector of the bank."""
    return 2.0 * num_queries * num_bank * channels


def sweep_operations(
    num_images: int, channels: int, *, num_classes: int, num_rates: int, epochs: int
) -> float:
    """Operations for the logits and weight gradients of every image, class and learning rate."""
    return 4.0 * num_images * channels * num_classes * num_rates * epochs
