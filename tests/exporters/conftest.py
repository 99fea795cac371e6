"""Runs the annotation tools in their own environment, whose packages differ from this project's."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.datasets.prepared import PreparedDataset
from tests.preparing import preparing_in

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def written_by(tmp_path_factory) -> Callable[[str, str], Path]:
    """written_by(script, package): folder written by a script beside this file, once."""
    python = os.environ.get("HSSL_EXPORTERS")
    done: dict[str, Path] = {}

    def write(script: str, package: str) -> Path:
        if not python:
            pytest.skip("HSSL_EXPORTERS names no python with the tools: .ci/exporters makes one")
        if script in done:
            return done[script]
        if subprocess.run([python, "-c", f"import {package}"], capture_output=True).returncode:
            pytest.skip(f"there is no {package} for {python}")
        out = tmp_path_factory.mktemp(script)
        # Libraries that contact a hub would wait for it.
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(out / "cache")}
        environment.pop("PYTHONPATH", None)
        command = [python, str(HERE / f"{script}.py"), str(out)]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert ended.returncode == 0, ended.stderr[-3000:]
        done[script] = out
        return out

    return write


@pytest.fixture
def prepared(tmp_path) -> Callable[..., PreparedDataset]:
    """prepared(source, **section): the data set prepared by one process, without held-out images."""
    return preparing_in(tmp_path, max_bad_share=0.0, val_share=0.0)
