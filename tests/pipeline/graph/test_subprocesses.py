import os
import pty
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from pipeline.graph.forked_stages import StageTemplate
from pipeline.graph.stage_command import StageCommand
from pipeline.graph.subprocesses import StageFailed, run_stage
from pipeline.storage.artifacts import STAMP


@pytest.fixture(params=["process", "fork"])
def run(request):
    """Runs a stage, as a process started for it or as a fork of a template: both keep every promise."""
    return partial(run_toy, StageTemplate() if request.param == "fork" else None)


def run_toy(template, tmp_path, program, threads=0):
    (tmp_path / "toy.py").write_text(program)
    output, shown = tmp_path / "out", []
    output.mkdir(exist_ok=True)
    with open(tmp_path / "lock", "w") as lock:
        stage = StageCommand("toy", output, tmp_path, threads, lock.fileno(), shown.append)
        run_stage(stage, template=template)
    return b"".join(shown), (output / "stage.log").read_bytes()


DONE = f"import pathlib, sys; pathlib.Path(sys.argv[1]).with_name({STAMP!r}).touch()\n"


def test_output_is_shown_and_the_log_keeps_the_last_state_of_a_bar(run, tmp_path):
    program = DONE + "import os; os.write(1, b'a\\r 10%\\r 99%'); os.write(2, b'\\r100%\\nend')"
    shown, log = run(tmp_path, program)
    assert shown == b"a\r 10%\r 99%\r100%\nend"
    assert log == b"100%\nend\n"


def test_a_failure_names_its_code_and_log(run, tmp_path):
    with pytest.raises(StageFailed, match=r"exit code 3; its output is in .*out/stage\.log"):
        run(tmp_path, "raise SystemExit(3)")
    with pytest.raises(StageFailed, match="ended by SIGKILL"):
        run(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")


def test_the_wish_to_be_started_again_is_granted_once(run, tmp_path):
    again = (
        "import pathlib\nif not pathlib.Path('seen').exists():\n    open('seen', 'w'); raise SystemExit(0)\n"
    )
    run(tmp_path, again + DONE)
    (tmp_path / "out" / STAMP).unlink()
    with pytest.raises(StageFailed, match="twice with exit code 0"):
        run(tmp_path, "pass")


def test_the_number_of_threads_reaches_the_numerical_libraries(run, tmp_path):
    shown, _ = run(tmp_path, DONE + "import os; print(os.environ['OMP_NUM_THREADS'])", threads=3)
    assert shown.strip() == b"3"
    shown, _ = run(tmp_path, DONE + "import os; print(os.environ['OPENBLAS_NUM_THREADS'])")
    assert int(shown) == len(os.sched_getaffinity(0))


def test_children_that_outlive_the_stage_are_ended(run, tmp_path):
    program = DONE + "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    shown, _ = run(tmp_path, program)
    status = Path(f"/proc/{int(shown)}/stat")

    def ended() -> bool:
        try:
            # Where nobody collects orphans the killed child stays as a zombie, "Z".
            return status.read_text().rpartition(")")[2].split()[0] in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return True

    end = time.monotonic() + 100
    while not ended():  # the signal is sent by now; on a busy machine the child dies a little later
        assert time.monotonic() < end, "the child lives on"
        time.sleep(0.02)


@pytest.mark.parametrize("template", ["None", "StageTemplate()"])
def test_in_a_terminal_the_stage_has_a_terminal(tmp_path, template):
    (tmp_path / "toy.py").write_text(DONE + "import os; print('terminal', os.isatty(1), os.isatty(2))")
    (tmp_path / "out").mkdir()
    program = (
        "import os; from pathlib import Path; from pipeline.graph.subprocesses import run_stage; "
        "from pipeline.graph.stage_command import StageCommand; "
        "from pipeline.graph.forked_stages import StageTemplate; "
        f"run_stage(StageCommand('toy', Path({str(tmp_path / 'out')!r}), Path({str(tmp_path)!r}), threads=0, "
        "lock=os.open(os.devnull, os.O_RDONLY), show=lambda chunk: os.write(1, chunk)), "
        f"template={template})"
    )
    reading, writing = pty.openpty()
    subprocess.run([sys.executable, "-c", program], stdout=writing, check=True, timeout=100)
    os.close(writing)
    assert os.read(reading, 1000) == b"terminal True True\r\n"
    os.close(reading)


def test_who_watches_can_read_the_bar_of_a_running_stage(run, tmp_path):
    watched = "open(pathlib.Path(sys.argv[1]).with_name('stage.live')).read()"
    program = (
        "import os, pathlib, sys, time\nos.write(1, b'begun\\n  7%| 7/100\\r')\ntime.sleep(1)\n"
        "os.write(1, b' 42%| 42/100\\r')\ntime.sleep(1)\n"
        f"open('seen', 'w').write({watched})\n{DONE}"
    )
    run(tmp_path, program)
    assert "%|" in (tmp_path / "seen").read_text()
    assert not (tmp_path / "out" / "stage.live").exists()


def test_what_is_forked_ends_by_a_signal_at_once():
    """As the workers have to that compile for Jittor; by their parent's handler one might wait for ever."""
    code = (
        "import os, signal\n"
        "from pipeline.graph.subprocesses import end_forked_at_once, end_on_signal\n"
        "end_on_signal(), end_forked_at_once()\n"
        "reading, writing = os.pipe()\n"
        "if not (child := os.fork()):\n"
        "    os.write(writing, b'here')\n"
        "    signal.pause()\n"
        "os.read(reading, 4)\n"
        "os.kill(child, signal.SIGTERM)\n"
        "_, status = os.waitpid(child, 0)\n"
        "print(os.WTERMSIG(status), signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["15", "True"], done.stderr
