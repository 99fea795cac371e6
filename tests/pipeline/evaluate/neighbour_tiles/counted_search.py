"""Runs the k-NN stage, and a search, over libraries that only count; prints the counts.

A process of its own, with the arguments LIBRARY FEATURES OUTPUT.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.neighbour_tiles import on_card
from pipeline.evaluate.neighbours import nearest
from pipeline.evaluate.probes.settings import KnnConfig
from pipeline.runtime.cuda.used import used_setup
from stages import probe
from tests.cuda_counting.counted_library import Counts, read_counts

NUM_QUERIES, NUM_BANK, CHANNELS, K = 2500, 40_000, 384, 20


def plausible(best):
    """What is downloaded means nothing: some rows that exist, in its place."""

    def found(device: on_card.Device) -> tuple[np.ndarray, np.ndarray]:
        similarities, rows = best(device)
        return np.zeros_like(similarities), np.broadcast_to(np.arange(rows.shape[1]), rows.shape)

    return found


def main(library: Path, features: Path, output: Path) -> dict[str, Counts | str]:
    """Counts of the stage; of a search; and of the memory of a search in the features of ImageNet."""
    on_card.Device.best = plausible(on_card.Device.best)
    found: dict[str, Counts | str] = {}
    runtime = RuntimeConfig(device="cuda", threads=2)

    def counted(name: str, act) -> None:
        before = read_counts(library)
        act()
        found[name] = read_counts(library).since(before)

    config = KnnConfig(num_bootstrap=9)
    counted("stage", lambda: probe.run(config, output, features=features, runtime=runtime))
    found["card"] = used_setup().card.name
    rng = np.random.default_rng(0)
    queries, bank = (
        rng.standard_normal((count, CHANNELS), dtype=np.float32) for count in (NUM_QUERIES, NUM_BANK)
    )
    counted("search", lambda: nearest(queries, bank, K, num_threads=2, on_card=True))
    for name, channels, k in (("tokens", 384, 200), ("long", 2048, 200), ("pixels", 150_528, 1024)):
        sizes = on_card.sizes(100_000, 1_280_000, channels, k)
        with on_card.opened(sizes, np.zeros(channels, np.float32), k):
            found[name] = read_counts(library)
    return found


if __name__ == "__main__":
    counts = main(*map(Path, sys.argv[1:]))
    print(json.dumps({k: v if isinstance(v, str) else asdict(v) for k, v in counts.items()}))
