"""A limit of address space, as batch systems set it, is a refusal and not a crash of the engine."""

import resource
import subprocess
import sys

import pytest

from pipeline.report.page import address_space

GIB = 2**30
NONE = resource.RLIM_INFINITY


@pytest.mark.parametrize(("soft", "hard"), [(NONE, NONE), (200 * GIB, 200 * GIB), (200 * GIB, NONE)])
def test_enough_is_left_alone(monkeypatch, soft, hard):
    monkeypatch.setattr(address_space.resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(address_space.resource, "setrlimit", lambda *given: pytest.fail("nothing to raise"))
    address_space.raise_address_space_limit()


def test_a_limit_of_the_process_alone_is_raised(monkeypatch):
    monkeypatch.setattr(address_space.resource, "getrlimit", lambda which: (6 * GIB, NONE))
    raised = []
    monkeypatch.setattr(
        address_space.resource, "setrlimit", lambda which, limits: raised.append((which, limits))
    )
    address_space.raise_address_space_limit()
    assert raised == [(resource.RLIMIT_AS, (NONE, NONE))]


def test_under_6_gib_nothing_is_drawn_and_one_line_says_why():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30,) * 2); "
        "from pipeline.report.page.figures import Figure; Figure('a', 'a', 'a', {'mark': 'point'}).svg"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1, "not ended by a signal"
    last = done.stderr.strip().splitlines()[-1]
    assert "expected so much, or no limit, found RLIMIT_AS of 6.0 GiB" in last
    assert "`doit run report`" in last
