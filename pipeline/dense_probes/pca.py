"""Shows patch tokens as colours by their first three principal components.

Shapes: n images, h x w patches, D channels.
"""

import numpy as np

COLOUR_RANGE = (2, 98)  # percentiles of a component that become 0 and 1


def principal_components(tokens: np.ndarray, count: int = 3) -> np.ndarray:
    """The first principal components of a batch of patches, one basis for all images.

    Args:
        tokens: (n, h, w, D).

    Returns:
        (n, h, w, count) float64, centred. The sign of a component makes its largest loading positive; if
            D < count the last ones are 0.
    """
    flat = tokens.reshape(-1, tokens.shape[-1]).astype(np.float64)
    centered = flat - flat.mean(axis=0)
    loadings = np.linalg.eigh(centered.T @ centered)[1]  # by ascending variance
    basis = loadings[:, ::-1][:, :count]
    largest = np.take_along_axis(basis, np.abs(basis).argmax(axis=0)[None], axis=0)
    components = np.zeros((len(flat), count))
    components[:, : basis.shape[1]] = centered @ (basis * np.sign(largest))
    return components.reshape(*tokens.shape[:-1], count)


def foreground_gate(first: np.ndarray) -> np.ndarray:
    """Where the first component has the sign that is less frequent at the images' borders, (n, h, w) bool.

    Args:
        first: (n, h, w), the first component, centred.
    """
    positive = first > 0
    border = np.ones(first.shape[1:], bool)
    border[1:-1, 1:-1] = False
    inner_share = positive[:, ~border].mean() if not border.all() else 1.0
    return positive if positive[:, border].mean() <= inner_share else ~positive


def colours(components: np.ndarray) -> np.ndarray:
    """Colours (n, h, w, 3) in [0, 1]; each component is scaled to its range over all images."""
    low, high = np.percentile(components, COLOUR_RANGE, axis=(0, 1, 2))
    return np.clip((components - low) / np.maximum(high - low, np.finfo(float).tiny), 0, 1)
