import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pipeline import cuda_runtime, jittor_cache, start_jittor
from pipeline.cache import cache_root
from pipeline.jittor_cache import JittorBuildError, build_once, is_built
from pipeline.onednn import onednn_paths
from pipeline.start_jittor import JittorStartError

ROOT = Path(__file__).resolve().parents[2]

PRODUCT = """
import numpy as np
import jittor
left = np.arange(256, dtype=np.float32).reshape(16, 16)
assert np.array_equal(jittor.matmul(jittor.array(left), jittor.array(left)).numpy(), left @ left)
"""
START = "from pipeline.start_jittor import start\nreport = start('cpu', say=lambda m: print(m, flush=True))\n"


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


def test_no_compiler_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("cc_path", raising=False)
    with pytest.raises(JittorStartError, match="apt-get install"):
        start_jittor._find_compiler()


def test_cuda_without_gpu_is_an_error_and_auto_takes_the_cpu(monkeypatch):
    monkeypatch.setattr(start_jittor, "num_cuda_devices", lambda: 0)
    with pytest.raises(JittorStartError, match="no working GPU"):
        start_jittor._choose_device("cuda")
    assert start_jittor._choose_device("auto") == (None, ())


def test_a_gpu_without_toolkit_is_noted(monkeypatch):
    monkeypatch.setattr(start_jittor, "num_cuda_devices", lambda: 1)
    monkeypatch.setattr(start_jittor, "find_nvcc", lambda: None)
    nvcc, notes = start_jittor._choose_device("auto")
    assert nvcc is None
    assert "running on the CPU" in notes[0]


def test_nvcc_counts_only_with_its_runtime(tmp_path, monkeypatch):
    nvcc = tmp_path / "cuda" / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.write_text("#!/bin/sh\nexit 1\n")
    nvcc.chmod(0o755)
    monkeypatch.setenv("PATH", str(nvcc.parent))
    assert cuda_runtime.find_nvcc() != nvcc
    (tmp_path / "cuda" / "lib64").mkdir()
    (tmp_path / "cuda" / "lib64" / "libcudart.so").write_text("")
    assert cuda_runtime.find_nvcc() == nvcc


def test_missing_onednn_is_a_note(monkeypatch):
    monkeypatch.setattr(start_jittor, "onednn_paths", lambda: None)
    onednn, notes = start_jittor._choose_onednn()
    assert onednn is None
    assert "onednn-cpu-gomp" in notes[0]


def test_a_onednn_that_cannot_be_loaded_is_a_note(tmp_path, monkeypatch):
    (tmp_path / "libdnnl.so.2").write_text("no library")
    monkeypatch.setattr(start_jittor, "onednn_paths", lambda: (tmp_path, tmp_path / "libdnnl.so.2"))
    onednn, notes = start_jittor._choose_onednn()
    assert onednn is None
    assert "cannot be loaded" in notes[0]


def test_onednn_paths_hold_header_and_library():
    found = onednn_paths()
    if found is None:
        pytest.skip("oneDNN's wheels are not installed")
    include, library = found
    assert (include / "dnnl.hpp").is_file()
    assert library.is_file()


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
    asks = "from pipeline.cache import cache_root; print(cache_root())"
    said = succeeds(f"""
    import os, subprocess, sys
    from pipeline.cache import cache_root
    from pipeline.start_jittor import start
    start("cpu")
    child = subprocess.run([sys.executable, "-c", {asks!r}], capture_output=True, text=True)
    assert child.stdout.strip() == str(cache_root()) == os.environ["HSSL_CACHE"]
    print(cache_root())
    """)
    assert said.strip() == warm


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
    from pipeline.start_jittor import start
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
    from pipeline.start_jittor import JittorStartError, start
    assert start("cpu", 1).threads == 1
    assert start("auto").threads == len(os.sched_getaffinity(0))
    try:
        start("cuda")
    except JittorStartError as error:
        assert "cpu" in str(error)
    else:
        raise AssertionError("the device changed")
    """)


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


def fake_interpreter(tmp_path: Path, monkeypatch, script: str) -> None:
    """Let `script` take the place of the process that compiles."""
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\ncd {tmp_path}\necho call >> calls\n{script}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(jittor_cache.sys, "executable", str(interpreter))


FINISH = "echo '{\"seconds\": 1.0}' > cache/core/built.json"


def calls(tmp_path: Path) -> int:
    return (tmp_path / "calls").read_text().count("call")


def test_a_half_built_core_is_wiped_and_built_again(tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "core"
    folder.mkdir(parents=True)
    (folder / "half.o").write_text("")
    fake_interpreter(tmp_path, monkeypatch, FINISH)
    said: list[str] = []
    build_once(folder, None, said.append)
    assert is_built(folder)
    assert not (folder / "half.o").exists()
    assert "never finished" in said[0]


def test_please_rerun_is_obeyed_once(tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "core"
    fake_interpreter(tmp_path, monkeypatch, f"test $(wc -l < calls) -ge 2 && {FINISH}\nexit 0")
    build_once(folder, None, lambda message: None)
    assert is_built(folder)
    assert calls(tmp_path) == 2


def test_please_rerun_for_ever_is_an_error(tmp_path, monkeypatch):
    fake_interpreter(tmp_path, monkeypatch, "exit 0")
    with pytest.raises(JittorBuildError, match="exit code 0"):
        build_once(tmp_path / "cache" / "core", None, lambda message: None)
    assert calls(tmp_path) == 2


def test_a_failed_build_shows_the_end_of_its_log(tmp_path, monkeypatch):
    fake_interpreter(tmp_path, monkeypatch, "echo 'fatal error: no space left' >&2\nexit 1")
    with pytest.raises(JittorBuildError, match="no space left"):
        build_once(tmp_path / "cache" / "core", None, lambda message: None)
    assert calls(tmp_path) == 1


def test_one_builds_and_others_wait(tmp_path, monkeypatch):
    fake_interpreter(tmp_path, monkeypatch, f"sleep 1\n{FINISH}")
    code = f"""
    import sys
    from pathlib import Path
    sys.executable = {sys.executable!r}
    from pipeline.jittor_cache import build_once
    sys.executable = {str(tmp_path / "python")!r}
    build_once(Path({str(tmp_path / "cache" / "core")!r}), None, print)
    """
    monkeypatch.undo()
    command = [sys.executable, "-c", textwrap.dedent(code)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0] for process in both)
    assert calls(tmp_path) == 1
    assert sum("waiting for it" in text for text in said) == 1


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
    said = succeeds(START + PRODUCT, HSSL_CACHE=str(tmp_path))
    assert "never finished" in said
    assert "core compiled in" in said
    assert "compiling" not in succeeds(START + PRODUCT, HSSL_CACHE=str(tmp_path))
