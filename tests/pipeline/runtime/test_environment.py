import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.runtime.environment import change, original, restore

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    monkeypatch.setenv("HSSL_ENVIRONMENT_BEFORE", "{}")
    monkeypatch.setenv("HSSL_TEST", "users")
    monkeypatch.setenv("HSSL_TEST_UNSET", "")
    monkeypatch.delenv("HSSL_TEST_UNSET")


def test_originals_outlive_changes():
    for value in ("first", "second", None):
        change({"HSSL_TEST": value, "HSSL_TEST_UNSET": value})
        assert os.environ.get("HSSL_TEST") == value
        assert original("HSSL_TEST") == "users"
        assert original("HSSL_TEST_UNSET") is None
    restore(("HSSL_TEST", "HSSL_TEST_UNSET", "HSSL_TEST_NEVER"))
    assert os.environ["HSSL_TEST"] == "users"
    assert "HSSL_TEST_UNSET" not in os.environ


def test_a_child_knows_them_too():
    change({"HSSL_TEST": "ours"})
    code = "from pipeline.runtime.environment import original; print(original('HSSL_TEST'))"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "users"


def test_what_somebody_else_set_since_then_counts_as_theirs(monkeypatch):
    change({"HSSL_TEST": "ours"})
    monkeypatch.setenv("HSSL_TEST", "newer")
    assert original("HSSL_TEST") == "newer"
    restore(("HSSL_TEST",))
    assert os.environ["HSSL_TEST"] == "newer"
