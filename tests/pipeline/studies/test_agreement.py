"""What is said of two orders."""

import pytest

from pipeline.config.studies import AblateConfig
from pipeline.studies.agreement import agreement

CONFIG = AblateConfig(experiment="e", arm="hssl", baseline="ibot", heads={})


def lines(gains):
    return [{"name": str(index), "cka": float(index), "gain": gain} for index, gain in enumerate(gains)]


@pytest.mark.parametrize(
    ("gains", "message"),
    [
        ([1, 2, 3, 4, 5, 6], "6 heads: +1.00 [+1.00, +1.00] (95 %), p = 0.0028: the orders agree"),
        ([6, 5, 4, 3, 2, 1], "6 heads: -1.00 [-1.00, -1.00] (95 %), p = 0.0028: the orders are opposite"),
        ([1, 2, 3, 4], "4 heads: +1.00 [+1.00, +1.00] (95 %), p = 0.083: nothing shown"),
        ([2, 6, 1, 5, 3, 4], ": nothing shown"),
        ([1, None, 2], "2 heads: none (fewer than 3 heads, or all of them equal in one)"),
    ],
)
def test_sentences(gains, message):
    assert message in agreement(lines(gains), "cka", "gain", CONFIG).sentence(0.95)


def test_one_column_more_changes_no_interval():
    one = lines([2, 6, 1, 5, 3, 4])
    more = [line | {"kl": 1.0} for line in one]
    assert agreement(one, "cka", "gain", CONFIG) == agreement(more, "cka", "gain", CONFIG)
