"""Trains one arm of the default experiment for a step, as its stage does, and writes what it has loaded.

A process of its own: `python -m tests.pipeline.pretrain.operators_run ARM DATA OUTPUT`.
"""

import json
import sys
from contextlib import suppress
from pathlib import Path

from pipeline.config.reading import read_experiment
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.storage.files import write_json

OPERATORS = "operators.json"


class FirstStep(Exception):
    """Raised after the first step is logged."""


def main(arm: str, data: Path, output: Path) -> None:
    """Write the names of the operators that Jittor has compiled and this process has loaded."""
    from pipeline.runtime.start_jittor import start

    start("cpu")
    import numpy as np

    from pipeline import kernels
    from pipeline.pretrain.training import pretrain

    kernels.use("fused")
    assert kernels.current() == "fused", kernels.note()
    config = read_experiment("quickstart").pretrain_config(arm, seed=0)

    def stop(progress: object) -> None:
        raise FirstStep

    with suppress(FirstStep):
        pretrain(config, PreparedDataset.open(data), output, runtime=RuntimeConfig(), report=stop)
    logged = json.loads((output / "metrics.jsonl").read_text())
    assert logged["step"] == 1
    assert np.isfinite(logged["loss"])
    libraries = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    write_json(output / OPERATORS, sorted(Path(name).name for name in libraries if name.endswith("_op.so")))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
