"""What there is of memory, over files as Linux writes them."""

import resource

import pytest

from pipeline.costs import available
from pipeline.costs.available import Available, available_disk, available_memory

MIB = 2**20


@pytest.fixture(autouse=True)
def no_limits(monkeypatch):
    """The limits of this process are no part of these tests, but where one sets them."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)


@pytest.fixture
def system(tmp_path):
    """A machine with 8 GiB available and 1 GiB of swap free."""

    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write("proc/meminfo", f"MemTotal: 1 kB\nMemAvailable: {8 * 1024**2} kB\nSwapFree: {1024**2} kB\n")
    return tmp_path, write


def test_what_the_machine_has(system):
    assert available_memory(system[0]) == Available(9 * 1024 * MIB, "available on this machine")


def test_a_control_group_of_version_2_and_those_around_it(system):
    root, write = system
    write("proc/self/cgroup", "0::/jobs/one\n")
    write("sys/fs/cgroup/jobs/one/memory.max", "max\n")
    write("sys/fs/cgroup/jobs/one/memory.current", f"{100 * MIB}\n")
    assert available_memory(root).by == "available on this machine"
    write("sys/fs/cgroup/jobs/memory.max", f"{2000 * MIB}\n")
    write("sys/fs/cgroup/jobs/memory.current", f"{1500 * MIB}\n")
    write("sys/fs/cgroup/jobs/memory.stat", f"anon 7\nactive_file {100 * MIB}\ninactive_file {300 * MIB}\n")
    # Pages of files are given back: 1100 MiB are in use.
    assert available_memory(root) == Available(900 * MIB, "left in the control group /jobs")


def test_a_control_group_of_version_1(system):
    root, write = system
    write("proc/self/cgroup", "4:memory:/one\n3:cpuset:/\n0::/\n")
    write("sys/fs/cgroup/memory/one/memory.limit_in_bytes", f"{1024 * MIB}\n")
    write("sys/fs/cgroup/memory/one/memory.usage_in_bytes", f"{1000 * MIB}\n")
    write("sys/fs/cgroup/memory/one/memory.stat", f"total_inactive_file {200 * MIB}\ninactive_file 5\n")
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", f"{2**63 - 4096}\n")
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n")
    assert available_memory(root) == Available(224 * MIB, "left in the control group /one")


def test_a_limit_on_address_space(system, monkeypatch):
    infinite = resource.RLIM_INFINITY
    limits = {resource.RLIMIT_AS: 6 * 1024 * MIB, resource.RLIMIT_DATA: infinite}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits[which], infinite))
    assert available_memory(system[0]) == Available(6 * 1024 * MIB, "allowed by RLIMIT_AS (ulimit -v)")


def test_nothing_is_known_where_nothing_says_it(tmp_path):
    assert available_memory(tmp_path) is None


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 5})
    monkeypatch.setattr(available.shutil, "disk_usage", lambda folder: usage)
    assert available_disk(tmp_path / "a" / "b") == Available(5, f"free at {tmp_path}")
