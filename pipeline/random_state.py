"""One seed for every generator that has process-wide state."""

import random

import numpy as np

_LARGEST_SEED = 2**31 - 1


def seed_everything(seed: int) -> None:
    """Seed Jittor, NumPy and `random`. Jittor must have been started.

    For what Jittor draws inside its operations; the pipeline's own draws take a generator as argument.

    Raises:
        ValueError: `seed` is not within 0 ... 2**31 - 1.
    """
    if not 0 <= seed <= _LARGEST_SEED:
        raise ValueError(f"the seed must be within 0 ... {_LARGEST_SEED}, got {seed}")
    import jittor

    # Jittor first: its function also seeds NumPy, to a value of its own when MPI is in use.
    jittor.set_global_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  third-party code draws from it
    random.seed(seed)
