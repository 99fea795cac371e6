import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pipeline.runtime import start_jittor
from pipeline.runtime.cache import cache_root
from pipeline.runtime.onednn import onednn_paths
from pipeline.runtime.start_jittor import JittorStartError

ROOT = Path(__file__).resolve().parents[3]

PRODUCT = """
import numpy as np
import jittor
left = np.arange(256, dtype=np.float32).reshape(16, 16)
assert np.array_equal(jittor.matmul(jittor.array(left), jittor.array(left)).numpy(), left @ left)
"""
START = """from pipeline.runtime.start_jittor import start
report = start('cpu', say=lambda m: print(m, flush=True))
"""


@pytest.fixture
def warm(jt, monkeypatch) -> str:
    """The cache in which Jittor's core is compiled; HSSL_CACHE names it."""
    monkeypatch.setenv("HSSL_CACHE", str(cache_root()))
    return str(cache_root())


def python(code: str, **variables: str | None) -> subprocess.CompletedProcess:
    """Run code in a process of its own; a variable that is None is unset."""
    changed = {**os.environ, **variables}
    environment = {name: value for name, value in changed.items() if value is not None}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def succeeds(code: str, **variables: str | None) -> str:
    done = python(code, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_numpy_2_is_refused(monkeypatch):
    monkeypatch.setattr(start_jittor, "_started", None)
    monkeypatch.setattr(start_jittor.numpy, "__version__", "2.1.3")
    with pytest.raises(JittorStartError, match=r"NumPy 2\.1\.3 .*below 2"):
        start_jittor.start("cpu")


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match="got 'gpu'"):
        start_jittor.start("gpu")


def test_a_bogus_nvcc_does_no_harm(warm, tmp_path):
    (tmp_path / "nvcc").write_text("#!/bin/sh\necho broken >&2\nexit 127\n")
    (tmp_path / "nvcc").chmod(0o755)
    succeeds(START + PRODUCT, PATH=f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.parametrize("home", [None, "/proc/self"])
def test_home_unset_or_read_only(warm, home):
    succeeds(START + PRODUCT, HOME=home)


def test_the_users_jittor_folder_is_left_alone(warm, tmp_path):
    succeeds(START + PRODUCT, HOME=str(tmp_path), JITTOR_HOME=str(tmp_path / "elsewhere"))
    assert list(tmp_path.iterdir()) == []


def test_children_agree_about_the_cache(warm):
    asks = "from pipeline.runtime.cache import cache_root; print(cache_root())"
    output = succeeds(f"""
    import os, subprocess, sys
    from pipeline.runtime.cache import cache_root
    from pipeline.runtime.start_jittor import start
    start("cpu")
    child = subprocess.run([sys.executable, "-c", {asks!r}], capture_output=True, text=True)
    assert child.stdout.strip() == str(cache_root()) == os.environ["HSSL_CACHE"]
    print(cache_root())
    """)
    assert output.strip() == warm


def test_onednn_is_what_multiplies(warm):
    if onednn_paths() is None:
        pytest.skip("oneDNN's wheels are not installed")
    checks = "from jittor import compile_extern\nassert compile_extern.mkl_ops is not None"
    succeeds(START + checks, LD_LIBRARY_PATH=None)


def test_nothing_is_said_where_nothing_is_missing(warm):
    done = python(START)
    assert done.stderr == ""
    assert "compiling" not in done.stdout


def test_signals_and_certificates_stay_as_they_were(warm):
    succeeds("""
    import os, signal, ssl, subprocess
    checked = ssl._create_default_https_context
    from pipeline.runtime.start_jittor import start
    start("cpu")
    assert ssl._create_default_https_context is checked
    child = subprocess.Popen(["sleep", "60"])
    child.kill()  # Jittor's own handler would end this process here
    assert child.wait() == -signal.SIGKILL
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("no KeyboardInterrupt")
    """)


def test_threads_can_change_and_the_device_cannot(warm):
    succeeds("""
    import os
    from pipeline.runtime.start_jittor import JittorStartError, start
    assert start("cpu", 1).threads == 1
    assert start("auto").threads == len(os.sched_getaffinity(0))
    try:
        start("cuda")
    except JittorStartError as error:
        assert "cpu" in str(error)
    else:
        raise AssertionError("the device changed")
    """)


def test_free_memory_is_joined(warm):
    """192 MiB in tensors of 3 MiB are let go: one of 150 MiB then finds room among them."""
    code = (
        START
        + """
import jittor
from benchmarks.resident import resident_mib
start = resident_mib()
small = [jittor.ones((3, 2**18)) for _ in range(64)]
jittor.sync(small)
del small
large = jittor.ones((150, 2**18))
large.sync()
print(start, resident_mib())
"""
    )
    start, end = map(float, succeeds(code).split()[-2:])
    assert start < 600  # what is reserved is not held
    assert end - start < 250


def test_operators_are_compiled_by_one_thread_more_than_there_are_cores(warm):
    code = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from pipeline.runtime.start_jittor import start
start("cpu", 1)
import jittor
threads = len(os.listdir("/proc/self/task"))
(jittor.ones(3) + jittor.ones(3)).numpy()
print(len(os.listdir("/proc/self/task")) - threads)
"""
    assert int(succeeds(code).split()[-1]) == 2


def test_an_early_import_is_refused():
    done = python("import sys\nsys.modules['jittor'] = sys\n" + START)
    assert done.returncode == 1
    assert "was imported before" in done.stderr


def test_two_processes_at_once(warm):
    command = [sys.executable, "-c", START + PRODUCT]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


@pytest.mark.slow
def test_a_build_that_was_killed_is_built_again(tmp_path):
    environment = {**os.environ, "HSSL_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", START + PRODUCT]
    first = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("*.o")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    output = succeeds(START + PRODUCT, HSSL_CACHE=str(tmp_path))
    assert "never finished" in output
    assert "core compiled in" in output
    assert "compiling" not in succeeds(START + PRODUCT, HSSL_CACHE=str(tmp_path))


@pytest.mark.parametrize(
    ("load", "given", "expected"),
    [
        (1.0, {}, None),  # of each core; a run of its own makes as much
        (4.0, {}, "1000"),
        (4.0, {"GOMP_SPINCOUNT": "7"}, "7"),
        (4.0, {"OMP_WAIT_POLICY": "active"}, None),
    ],
)
def test_threads_spin_less_on_a_busy_machine_unless_the_user_says_otherwise(
    load, given, expected, monkeypatch
):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that what is set below is taken back
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    per_core = len(os.sched_getaffinity(0))
    monkeypatch.setattr(os, "getloadavg", lambda: (load * per_core, 0.0, 0.0))
    notes = start_jittor._spin_less_when_busy()
    assert os.environ.get("GOMP_SPINCOUNT") == expected
    assert bool(notes) == (expected == "1000")
