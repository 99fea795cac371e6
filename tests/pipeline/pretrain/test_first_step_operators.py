"""The first step of HSSL needs few operators that iBOT's has not compiled: each is a third of a second."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.preparing import prepare
from pipeline.runtime.onednn import onednn_paths
from tests.pipeline.pretrain.operators_run import OPERATORS

pytestmark = pytest.mark.skipif(onednn_paths() is None, reason="no fused layers without oneDNN")

ROOT = Path(__file__).resolve().parents[3]
# The depthwise convolution and the last block's mean, forward and for gradients, the latter also without one.
KERNELS_OF_HSSL = 5
# Half a sum of losses, and the gradients of the vectors and of prototypes that three losses share.
OTHERS = 3


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Call it with an arm: the names of the operators that its first step loads."""
    folder = tmp_path_factory.mktemp("arms")
    data = folder / "data"
    data.mkdir()
    scenes = {"image_size": 32, "num_train": 64, "num_val": 8, "num_test": 8}
    prepare(DataConfig.model_validate({"photo_scenes": scenes}), data, num_workers=1)

    def of(arm: str) -> set[str]:
        output = folder / arm
        output.mkdir()
        command = [sys.executable, "-m", "tests.pipeline.pretrain.operators_run", arm, str(data), str(output)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert ended.returncode == 0, (ended.stdout + ended.stderr)[-4000:]
        return set(json.loads((output / OPERATORS).read_text()))

    return of


def test_hssl_after_ibot(loaded):
    of_ibot, of_hssl = loaded("ibot"), loaded("hssl")
    assert len(of_ibot) > 30  # they were found
    new = of_hssl - of_ibot
    assert len({name for name in new if name.startswith("code")}) == KERNELS_OF_HSSL
    assert len(new) <= KERNELS_OF_HSSL + OTHERS, sorted(new)
