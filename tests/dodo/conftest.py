"""A toy project that has run once, and is restored to that state for each test."""

import shutil
from pathlib import Path

import pytest

from tests.toy_stages.project import PROBES, Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> tuple[Project, Path]:
    """A toy project whose experiment has run, and a copy of its folder."""
    project = Project(tmp_path_factory.mktemp("toy") / "project")
    project.folder.mkdir()
    project.write()
    backbones = ["initialize:random-seed0", "pretrain:hssl-seed0", "curves:hssl-seed0"]
    stages = ("features", *PROBES, "views")
    rest = [f"{stage}:{arm}-seed0" for stage in stages for arm in ("random", "hssl")]
    # In this order in every run, and without the tables stage, which is the real one.
    assert project.ran() == ["prepare:images", *backbones, *rest, "duplicates:images"]
    copy = project.folder.with_name("copy")
    shutil.copytree(project.folder, copy, symlinks=True)
    return project, copy


@pytest.fixture
def project(finished) -> Project:
    """The finished project, in the folder where it ran, so that everything is up to date."""
    project, copy = finished
    shutil.rmtree(project.folder)
    shutil.copytree(copy, project.folder, symlinks=True)
    return project
