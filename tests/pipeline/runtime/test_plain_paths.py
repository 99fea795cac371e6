"""An environment whose path a shell would split is refused before minutes are spent on compiling."""

import re
import sysconfig
from importlib.machinery import ModuleSpec

import pytest

from pipeline.doctor import checks
from pipeline.runtime import plain_paths, start_jittor


def test_this_environment_is_plain():
    assert plain_paths.environment_problem() is None


@pytest.mark.parametrize("folder", ["/home/a/my env", "/home/a's/env", "/data (1)/env"])
def test_jittor_below_such_a_path(monkeypatch, folder):
    spec = ModuleSpec("jittor", None, origin=f"{folder}/lib/python3.11/site-packages/jittor/__init__.py")
    monkeypatch.setattr(plain_paths, "find_spec", lambda name: spec)
    words = rf"Jittor in {re.escape(folder)}.* its path holds .* unquoted; choose a plain path"
    monkeypatch.setattr(start_jittor, "_started", None)
    with pytest.raises(start_jittor.JittorStartError, match=words):
        start_jittor.start("cpu")
    found = checks._python()
    assert found.ok is False
    assert "no space or quote" in found.remedy


def test_headers_below_such_a_path(monkeypatch):
    monkeypatch.setattr(sysconfig, "get_path", lambda name: "/opt/my python/include")
    assert plain_paths.environment_problem().startswith(
        "Python's headers in /opt/my python/include: its path"
    )
