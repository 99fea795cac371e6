"""A real Slurm with two nodes on this machine, while the tests here run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory) -> Path:
    """The running Slurm's folder; environment variables make its commands available."""
    pytest.importorskip("submitit", reason="no submitit: pip install -e '.[cluster]'")
    os.environ["PATH"] += f"{os.pathsep}/usr/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurm-wlm munge")
    if os.getuid() != 0:
        pytest.skip("Slurm's daemons are started as root")
    folder = tmp_path_factory.mktemp("slurm")
    # munge refuses the folders of pytest if others may write in their parents.
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    started = subprocess.run(
        [HERE / "start.sh", folder], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60
    )
    try:
        if started.returncode:
            pytest.skip(f"Slurm does not start here: {started.stderr[-2000:]}")
        yield folder
    finally:
        subprocess.run([HERE / "stop.sh", folder], timeout=60)
