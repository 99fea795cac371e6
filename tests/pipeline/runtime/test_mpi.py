import os
from pathlib import Path

import pytest

from pipeline.runtime import mpi
from pipeline.runtime.cuda.driver import Card, Driver
from pipeline.runtime.mpi import Mpi, MpiUnavailable, check_runnable, command_of_ranks


@pytest.fixture
def one_folder(monkeypatch, tmp_path) -> Path:
    """The only folder that programs are looked for in."""
    mpi.installed_mpi.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(mpi.sysconfig, "get_path", lambda name: str(tmp_path / "no scripts"))
    yield tmp_path
    mpi.installed_mpi.cache_clear()


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_both_programs_are_taken_from_one_folder_and_are_open_mpi(one_folder):
    program(one_folder / "mpicc", "echo mpicc: Open MPI 4.1.4 '(Language: C)'")
    assert mpi.installed_mpi() is None
    mpi.installed_mpi.cache_clear()
    program(one_folder / "mpirun", "")
    found = mpi.installed_mpi()
    assert (found.mpirun, found.mpicc) == (one_folder / "mpirun", one_folder / "mpicc")
    assert found.version == "mpicc: Open MPI 4.1.4 (Language: C)"
    mpi.installed_mpi.cache_clear()
    program(one_folder / "mpicc", "echo mpicc for MPICH version 4.2")
    assert mpi.installed_mpi() is None


def test_without_open_mpi_the_extra_is_named(one_folder):
    with pytest.raises(MpiUnavailable, match=r"runtime\.devices 2 needs Open MPI.*\.\[mpi\]"):
        check_runnable(2, "cpu")


def test_a_machine_with_a_gpu_is_asked_for_its_processor(monkeypatch):
    card = Card(0, "H100", (9, 0), 2**36)
    monkeypatch.setattr(mpi, "installed_driver", lambda: Driver((13, 0), (card,)))
    with pytest.raises(MpiUnavailable, match=r'needs runtime\.device = "cpu"'):
        check_runnable(2, "auto")


def test_the_command_starts_as_many_ranks_as_are_asked_for(monkeypatch):
    found = Mpi(Path("/bin/mpirun"), Path("/bin/mpicc"), "Open MPI")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    command = command_of_ranks(found, 3, ["python", "-m", "stages.pretrain"])
    assert command[:3] == ["/bin/mpirun", "-n", "3"]
    assert command[-3:] == ["python", "-m", "stages.pretrain"]
    assert "--allow-run-as-root" not in command
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "--allow-run-as-root" in command_of_ranks(found, 3, [])


def test_a_child_is_told_nothing_of_ranks():
    told = {"OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "1", "PRTE_LAUNCHED": "1", "OMP_NUM_THREADS": "1"}
    assert mpi.without_mpi(told) == {"OMP_NUM_THREADS": "1"}
