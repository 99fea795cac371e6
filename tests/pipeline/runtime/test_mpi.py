import os
from pathlib import Path

import pytest

from pipeline.runtime import environment, mpi
from pipeline.runtime.cuda import cards
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


@pytest.fixture
def two_cards(monkeypatch):
    """A machine with two GPUs, and Open MPI."""
    monkeypatch.delenv("HSSL_ENVIRONMENT_BEFORE", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = Driver((13, 0), tuple(Card(index, "H100", (9, 0), 2**36) for index in range(2)))
    monkeypatch.setattr(cards, "installed_driver", lambda: found)
    monkeypatch.setattr(mpi, "installed_mpi", lambda: Mpi(Path("mpirun"), Path("mpicc"), "Open MPI"))


def as_rank(monkeypatch, here: int, count: int) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", str(2 * count))
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_SIZE", str(count))
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_RANK", str(here))


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_more_ranks_than_cards_are_refused_before_anything_runs(two_cards, device):
    check_runnable(2, device)
    check_runnable(16, device, here_only=False)
    check_runnable(16, "cpu")
    with pytest.raises(
        MpiUnavailable, match=r"expected a GPU for each rank, found 2 for 3 ranks on .*; needs 2"
    ):
        check_runnable(3, device)


def test_each_rank_takes_the_card_of_its_number_on_its_host(two_cards, monkeypatch):
    for here in range(2):
        as_rank(monkeypatch, here, 2)
        assert mpi.card_of_rank("cuda").index == mpi.card_of_rank("auto").index == here
        assert mpi.card_of_rank("cpu") is None
    as_rank(monkeypatch, 2, 3)
    with pytest.raises(MpiUnavailable, match="found 2 for 3 ranks"):
        mpi.card_of_rank("cuda")


def test_ranks_take_the_cards_that_their_stage_was_given(two_cards, monkeypatch):
    eight = Driver((13, 0), tuple(Card(index, "H100", (9, 0), 2**36) for index in range(8)))
    monkeypatch.setattr(cards, "installed_driver", lambda: eight)
    environment.change(cards.variables_for_cards([2, 5]))
    as_rank(monkeypatch, 1, 2)
    assert mpi.card_of_rank("cuda").index == 5
    as_rank(monkeypatch, 2, 3)
    with pytest.raises(MpiUnavailable, match="found 2 for 3 ranks"):
        mpi.card_of_rank("cuda")


def test_without_a_card_auto_takes_the_processor_and_cuda_is_refused(two_cards, monkeypatch):
    monkeypatch.setattr(cards, "installed_driver", lambda: None)
    check_runnable(4, "auto")
    with pytest.raises(MpiUnavailable, match=r"runtime\.device 'cuda' on .*: no CUDA driver"):
        check_runnable(4, "cuda")


def test_hosts_of_an_allocation_are_counted(monkeypatch, tmp_path):
    for name in ("SLURM_JOB_NUM_NODES", "PBS_NODEFILE"):
        monkeypatch.delenv(name, raising=False)
    assert mpi.num_hosts_allocated() == 1
    (tmp_path / "nodes").write_text("a\na\nb\n")
    monkeypatch.setenv("PBS_NODEFILE", str(tmp_path / "nodes"))
    assert mpi.num_hosts_allocated() == 2
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "4")
    assert mpi.num_hosts_allocated() == 4


def test_the_command_starts_as_many_ranks_as_are_asked_for(monkeypatch):
    found = Mpi(Path("/bin/mpirun"), Path("/bin/mpicc"), "Open MPI")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    command = command_of_ranks(found, 3, ["python", "-m", "stages.pretrain"])
    assert command[:3] == ["/bin/mpirun", "-n", "3"]
    assert command[-3:] == ["python", "-m", "stages.pretrain"]
    assert "--allow-run-as-root" not in command
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "--allow-run-as-root" in command_of_ranks(found, 3, [])


def test_the_nodes_of_an_allocation_have_as_many_ranks_each(monkeypatch):
    found = Mpi(Path("/bin/mpirun"), Path("/bin/mpicc"), "Open MPI")

    def mapped(num_ranks: int) -> str:
        command = command_of_ranks(found, num_ranks, [])
        return command[command.index("--map-by") + 1]

    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    assert mapped(8) == "ppr:4:node:OVERSUBSCRIBE"
    assert mapped(3) == ":OVERSUBSCRIBE"
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    assert mapped(8) == ":OVERSUBSCRIBE"


def test_a_child_is_told_nothing_of_ranks():
    told = {"OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "1", "PRTE_LAUNCHED": "1", "OMP_NUM_THREADS": "1"}
    assert mpi.without_mpi(told) == {"OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("a slots=2\nb slots=2\n", 2),
        ("a slots=1\nb slots=3\n", 3),
        ("a slots=64\n", 4),
        ("a slots=1\nb slots=1\n", 4),  # too few: mpirun decides
        ("a\nb slots=4\n", 4),
    ],
)
def test_the_most_ranks_of_a_host_of_a_file(tmp_path, lines, expected):
    (tmp_path / "hosts.txt").write_text(lines)
    assert mpi.most_ranks_of_a_host(4, tmp_path / "hosts.txt") == expected


def test_the_most_ranks_of_a_host_of_an_allocation(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_NUM_NODES", raising=False)
    monkeypatch.delenv("PBS_NODEFILE", raising=False)
    assert mpi.most_ranks_of_a_host(8) == 8
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "3")
    assert mpi.most_ranks_of_a_host(8) == 3
