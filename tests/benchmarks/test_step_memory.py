"""Memory of a pretraining step beside what has to exist: weights, moments, images."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.runtime.cache import cache_root

ROOT = Path(__file__).resolve().parents[2]
# The layers of ViT-S/16 and its heads, so that scratch memory has their sizes; few blocks and images.
CHANGES = {
    "backbone": {"size": "custom", "embed_dim": 384, "depth": 2, "num_heads": 6},
    "schedule": {"batch_size": 2},
}
MEASURE = """
import json, sys, tempfile
from pathlib import Path
from benchmarks.programs import PROGRAMS
from benchmarks.resident import reset_peak, resident_mib
parameters = {"size": "vit-small", "threads": 1, "changes": json.loads(sys.argv[1]), "checked": 1}
program = PROGRAMS["our-step"].load(parameters, Path(tempfile.mkdtemp()))
for _ in range(4):
    program.repeat()
reset_peak()
program.repeat()
weights = sum(parameter.numel() for parameter in program.state.student.parameters()) * 4 / 2**20
images = sum(batch.global_crops.nbytes for batch in program.batches) / 2**20
print(json.dumps([resident_mib("VmHWM"), program.extra["start_mib"], weights, images]))
"""


@pytest.fixture(scope="module")
def measured(jt) -> list[float]:
    """MiB: peak of a step, the process before the first one, weights of the student, images."""
    environment = {**os.environ, "HSSL_CACHE": str(cache_root()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURE, json.dumps(CHANGES)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_peak_of_a_step(measured):
    peak, start, weights, images = measured
    # The teacher has as many weights, and AdamW two moments of each.
    beside = peak - start - 4 * weights - images
    # 153 and 157 where measured. With a transposed copy for each layer, freed memory kept, and eight threads
    # that compile operators, 195 and 215.
    assert beside < 175
