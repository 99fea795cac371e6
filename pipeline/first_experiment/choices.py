"""Chooses network, image size and length of training for data and time: this project's own choices."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.first_experiment.facts import Facts

ENLARGED = 1.3  # an image may be enlarged this much
MIN_STEPS = 1500  # with fewer, arms hardly differ (this project's experience)
MAX_EPOCHS = 1000
_BATCH = 64
DENSE_SHARE = 0.4  # of the time, for training segmenters or detectors
MIN_DENSE_STEPS = 200  # with fewer, a decoder has learnt next to nothing (this project's experience)


@dataclass(frozen=True)
class Network:
    """A Vision Transformer for one image size."""

    image_size: int  # pixels
    patch_size: int  # pixels
    embed_dim: int
    depth: int
    num_heads: int

    @property
    def kernel_size(self) -> int:
        """Kernel size of the auxiliary head: 7 as published, odd and no wider than the map of patches."""
        grid = self.image_size // self.patch_size
        return min(7, grid - 1 + grid % 2)


# From cheap to expensive. The first is that of `quickstart`, the second that of `cifar10`.
NETWORKS = (
    Network(32, 8, 96, 3, 3),
    Network(32, 4, 128, 6, 4),
    Network(64, 8, 128, 6, 4),
    Network(96, 8, 192, 6, 3),
    Network(128, 16, 192, 12, 3),
    Network(224, 16, 192, 12, 3),
    Network(224, 16, 384, 12, 6),
)


@dataclass(frozen=True)
class Choice:
    """The chosen settings of the experiment."""

    network: Network
    batch_size: int
    epochs: int
    num_steps: int
    is_short: bool  # fewer than MIN_STEPS steps fit into the time


def choose(facts: Facts, seconds: float, seconds_of_epoch: Callable[[Network, int], float]) -> Choice:
    """Choose the costliest network of which MIN_STEPS steps fit into the time, then as many epochs as fit.

    Args:
        seconds: time for pretraining all arms.
        seconds_of_epoch: function from network and batch size to the time of one epoch of all arms.

    Raises:
        ValueError: fewer than 2 training images.
    """
    num_train = facts.counts["train"]
    if num_train < 2:
        raise ValueError(f"needs at least 2 training images, found {num_train}")
    batch_size = min(_BATCH, 1 << (num_train.bit_length() - 1))
    fitting = [each for each in NETWORKS if each.image_size <= ENLARGED * facts.short_sides[1]]
    chosen, epochs = NETWORKS[0], 0.0
    for network in fitting or NETWORKS[:1]:
        possible = min(MAX_EPOCHS, seconds / seconds_of_epoch(network, batch_size))
        if network is NETWORKS[0] or possible * num_train / batch_size >= MIN_STEPS:
            chosen, epochs = network, possible
    whole = max(1, int(epochs))
    num_steps = max(1, round(whole * num_train / batch_size))
    return Choice(chosen, batch_size, whole, num_steps, is_short=num_steps < MIN_STEPS)


def dense_steps(preset_steps: int, expected_seconds: float, seconds: float) -> int:
    """Training steps of each segmenter or detector: those of the preset, or as many as fit.

    Args:
        expected_seconds: time of all of them with `preset_steps`.
        seconds: for the whole experiment, of which DENSE_SHARE is for these tasks.
    """
    share = min(1.0, DENSE_SHARE * seconds / max(expected_seconds, 1e-9))
    return max(min(MIN_DENSE_STEPS, preset_steps), round(share * preset_steps))
