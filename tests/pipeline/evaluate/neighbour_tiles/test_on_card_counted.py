"""The k-NN stage on the CUDA path, over a driver and a runtime that only count (tests/cuda_counting).

Its kernels are compiled by nvcc, and launched, but do not run. No card is needed.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.evaluate.neighbour_tiles import on_card
from pipeline.storage.files import read_json
from tests.cuda_counting.build import counting_toolkit
from tests.cuda_toolkit import toolkit_13
from tests.pipeline.evaluate.neighbour_tiles.counted_search import CHANNELS, NUM_BANK, NUM_QUERIES, K
from tests.stages.test_probe import SIZES, features  # noqa: F401 - a fixture

pytestmark = pytest.mark.counted

ROOT = Path(__file__).resolve().parents[4]
MODULE = "tests.pipeline.evaluate.neighbour_tiles.counted_search"


@pytest.fixture
def counts(features, tmp_path) -> dict:  # noqa: F811
    tools, output = counting_toolkit(toolkit_13()), tmp_path / "knn"
    output.mkdir()
    ended = subprocess.run(
        [sys.executable, "-m", MODULE, str(tools.library), str(features), str(output)],
        cwd=ROOT, env={**tools.environment, "COUNTING_BYTE": "0"}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-6000:]
    assert read_json(output / "rows.json")
    return json.loads(ended.stdout.splitlines()[-1])


def expected(num_queries: int, num_bank: int, channels: int, k: int) -> dict[str, int]:
    """What a search hands over, if all is uploaded once."""
    cut = on_card.sizes(num_queries, num_bank, channels, k)
    blocks, tiles = -(-num_bank // cut.block), -(-num_queries // cut.tile)
    slots = -(-num_queries // cut.block)
    return {
        "products": blocks * tiles,
        # Rows packed, the largest of a block; bars, a list of candidates, and these taken, for each product.
        "launches": slots + 2 * blocks + 3 * blocks * tiles,
        "uploads": 1 + slots + 2 * blocks,
        "uploaded_bytes": 4 * (channels * (num_queries + num_bank + 1) + num_bank),
        "downloads": 2,
        "downloaded_bytes": 8 * num_queries * k + 4,
    }


def test_the_stage_searches_on_the_card_and_uploads_its_features_once(counts):
    searched = expected(NUM_QUERIES, NUM_BANK, CHANNELS, K)
    assert {name: counts["search"][name] for name in searched} == searched
    stage = expected(SIZES["test"] + SIZES["val"], SIZES["train"], 8, 200)
    assert {name: counts["stage"][name] for name in stage} == stage
    assert counts["card"].startswith("counting device")
    assert counts["search"]["live_bytes"] <= counts["stage"]["live_bytes"]  # what products keep, and no more
    for name in ("tokens", "long", "pixels"):
        assert counts[name]["live_bytes"] < 700 * 2**20
