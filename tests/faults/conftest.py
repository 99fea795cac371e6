"""A toy project that has run, for disturbed runs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.shim import compiler
from tests.faults.trials import Bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Iterator[Bench]:
    """A toy project with one configuration."""
    if compiler() is None:
        pytest.skip("no C compiler")
    made = Bench.make(tmp_path_factory.mktemp("faults"), epochs=(3,))
    yield made
    made.runs.close()


@pytest.fixture(scope="session")
def edited_bench(tmp_path_factory) -> Iterator[Bench]:
    """A toy project with two configurations, of which one is the edited other."""
    if compiler() is None:
        pytest.skip("no C compiler")
    made = Bench.make(tmp_path_factory.mktemp("faults"), epochs=(3, 4))
    yield made
    made.runs.close()


@pytest.fixture
def record_trial(request) -> Callable[[dict, list[str]], None]:
    """Adds a line about one trial to the file that `--record` names, if there is one."""
    target = request.config.getoption("--record")

    def record(trial: dict, problems: list[str]) -> None:
        if target:
            with open(Path(target), "a", encoding="utf-8") as stream:
                stream.write(json.dumps(trial | {"problems": problems}) + "\n")

    return record
