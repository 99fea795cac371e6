"""A toy project that has run once, and a copy of it for each test."""

import shutil
from pathlib import Path

import pytest

from tests.toy_stages.project import PROBES, Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A toy project whose experiment has run."""
    project = Project(tmp_path_factory.mktemp("finished"))
    backbones = ["initialize:random-seed0", "pretrain:hssl-seed0", "curves:hssl-seed0"]
    rest = [f"{stage}:{arm}-seed0" for stage in ("features", *PROBES) for arm in ("random", "hssl")]
    # In this order in every run, and without the tables stage, which is the real one.
    assert project.ran() == ["prepare:images", *backbones, *rest]
    return project.folder


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project: what it holds must stay current where it is moved."""
    shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    project = Project.__new__(Project)
    project.folder, project.runs = tmp_path / "copy", tmp_path / "copy" / "runs.txt"
    return project
