"""Prepares what the tests of this folder draw."""

from collections.abc import Callable

import pytest

from pipeline.datasets.prepared import PreparedDataset
from tests.preparing import preparing_in


@pytest.fixture
def prepared(tmp_path) -> Callable[..., PreparedDataset]:
    """prepared(source, **section): the data set that one process prepares from a folder."""
    return preparing_in(tmp_path)
