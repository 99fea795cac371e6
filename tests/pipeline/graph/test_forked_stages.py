"""Stages as forks of a template. What run_stage promises of both kinds is in test_subprocesses.py."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.graph import forked_stages
from pipeline.graph.forked_stages import StageTemplate
from pipeline.graph.stage_command import StageCommand
from pipeline.graph.subprocesses import StageFailed, run_stage
from pipeline.storage.artifacts import STAMP

ROOT = Path(__file__).resolve().parents[3]
# Tells its own number, that of the process that forked it, and what it is asked to.
PROGRAM = f"""
import json, os, pathlib, sys, time
at_start = sorted(sys.modules)
output = pathlib.Path(sys.argv[1]).parent
{{body}}
(output / "told").write_text(json.dumps(told))
(output / {STAMP!r}).touch()
"""
PATIENCE_SECONDS = 100


class Toys:
    """Stages with bodies of their own in one folder."""

    def __init__(self, folder: Path):
        self.folder, self.shown, self.threads = folder, [], 2
        self.template = StageTemplate()
        self.failures: list[StageFailed] = []

    def run(self, body: str, **how):
        name = f"toy{len([*self.folder.glob('*.py')])}"
        (self.folder / f"{name}.py").write_text(PROGRAM.format(body=body))
        output = self.folder / name
        output.mkdir()
        stage = StageCommand(name, output, self.folder, self.threads, None, self.shown.append)
        run_stage(stage, template=self.template, **how)
        return json.loads((output / "told").read_text())

    def run_beside(self, body: str) -> tuple[threading.Thread, Path]:
        """The thread, and a file with the stage's number, once the stage runs; it waits for `go`."""
        begun = self.folder / "begun"
        waiting = (
            "open('starts', 'a').write('x')\n"
            "pathlib.Path('begun.new').write_text(f'{os.getpid()} {os.getppid()}')\n"
            "os.replace('begun.new', 'begun')\n"
            "while not os.path.exists('go'): time.sleep(0.02)\n"
        )

        def run() -> None:
            try:
                self.run(waiting + body)
            except StageFailed as failure:
                self.failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        wait_until(begun.exists)
        return thread, begun

    def loaded(self) -> None:
        """Wait until the template has imported everything."""
        wait_until(lambda: "sklearn.cluster" in self.run("told = at_start"))


@pytest.fixture
def toys(tmp_path) -> Toys:
    return Toys(tmp_path)


def wait_until(true) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_stages_of_one_template_are_sessions_that_share_libraries_and_nothing_of_the_project(toys):
    one, other = (toys.run("told = [os.getpid(), os.getppid(), os.getsid(0), at_start]") for _ in range(2))
    assert one[1] == other[1] != os.getpid()
    assert one[0] == one[2] != other[0] == other[2]
    assert "numpy" in one[3]
    assert not [name for name in other[3] if name.split(".")[0] in ("pipeline", "stages", "jittor")]


def test_a_stage_looks_like_one_that_was_started_for_itself(toys):
    body = (
        "import signal\ntold = [sys.argv, sys.path[0], __name__, sorted(os.environ), os.getcwd(),\n"
        "    [str(signal.getsignal(n)) for n in range(1, 32)], sys.stdout.write_through, sys.stdin.read(),\n"
        "    open('/proc/self/cmdline').read().rstrip(chr(0)), sys.stdout.encoding, sys.stdout.errors,\n"
        "    len(os.listdir('/proc/self/fd')), len(os.listdir('/proc/self/task'))]"
    )
    forked = toys.run(body)
    toys.template = None
    alone = toys.run(body)
    assert forked[0][0].endswith("toy0.py")
    assert forked == json.loads(json.dumps(alone).replace("toy1", "toy0"))


def test_another_environment_or_folder_is_not_served(toys, tmp_path):
    first = toys.run("told = os.getppid()")
    assert toys.run("told = os.getppid()", variables={**os.environ, "ANOTHER": "1"}) == os.getpid()
    toys.threads = 1
    assert toys.run("told = os.getppid()") == os.getpid()
    toys.threads = 2
    assert toys.run("told = os.getppid()") == first


def test_a_program_that_cannot_start_is_not_needed(toys, monkeypatch):
    monkeypatch.setattr(forked_stages, "_PROGRAM", toys.folder / "none.py")
    assert toys.run("told = os.getppid()") == os.getpid()
    monkeypatch.setattr(sys, "executable", "/none")
    toys.template = StageTemplate()
    assert (
        toys.template.start(["", "-m", "toy"], cwd=toys.folder, environment={}, output=1, keep_open=())
        is None
    )


def test_after_a_killed_template_stages_are_processes_of_their_own(toys):
    template = toys.run("told = os.getppid()")
    os.kill(template, signal.SIGKILL)
    assert toys.run("told = os.getppid()") == os.getpid()


def test_a_stage_whose_template_is_killed_begins_again(toys):
    thread, begun = toys.run_beside("told = os.getppid()")
    stage, template = map(int, begun.read_text().split())
    begun.unlink()
    os.kill(template, signal.SIGKILL)
    wait_until(begun.exists)
    assert has_ended(stage)
    _, parent = map(int, begun.read_text().split())
    assert parent == os.getpid()
    (toys.folder / "go").touch()
    thread.join(PATIENCE_SECONDS)
    assert (toys.folder / "starts").read_text() == "xx"
    assert (toys.folder / "toy0" / STAMP).exists()
    assert b"the stage starts again" in b"".join(toys.shown)


def test_a_stage_does_not_begin_again_when_its_template_is_ended_here(toys):
    thread, _ = toys.run_beside("told = 0")
    toys.template._end()  # as when doit exits
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert (toys.folder / "starts").read_text() == "x"
    assert "SIGKILL" in str(toys.failures[0])


def test_a_signal_that_ends_a_stage_is_named(toys):
    with pytest.raises(StageFailed, match="ended by SIGTERM"):
        toys.run("import signal; os.kill(os.getpid(), signal.SIGTERM)")
    assert toys.run("told = os.getppid()") != os.getpid()


STARTER = """
import sys, time
from pathlib import Path
from threading import Thread
from pipeline.graph.forked_stages import StageTemplate
from pipeline.graph.stage_command import StageCommand
from pipeline.graph.subprocesses import end_on_signal, run_stage
folder = Path(sys.argv[1])
end_on_signal()
stage, template = StageCommand("toy", folder / "out", folder, 2, None, lambda chunk: None), StageTemplate()
def run(): run_stage(stage, template=template)
"""
IN_A_THREAD = """
Thread(target=run, daemon=True).start()
while not (folder / "begun").exists(): time.sleep(0.02)
"""


@pytest.mark.parametrize(
    ("how", "number"),
    [("run()", signal.SIGKILL), ("run()", signal.SIGINT), ("run()", signal.SIGTERM), (IN_A_THREAD, None)],
)
def test_nothing_outlives_who_started_the_stages(tmp_path, how, number):
    """A thread of doit may still wait when doit exits; its stage ends with the template and stays so."""
    (tmp_path / "toy.py").write_text(
        "import os, subprocess, time\nopen('starts', 'a').write('x')\n"
        "child = subprocess.Popen(['sleep', '1000']).pid\n"
        "open('new', 'w').write(f'{os.getpid()} {os.getppid()} {child}'); os.replace('new', 'begun')\n"
        "time.sleep(1000)\n"
    )
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-c", STARTER + how, str(tmp_path)]
    doit = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until((tmp_path / "begun").exists)
    processes = [int(word) for word in (tmp_path / "begun").read_text().split()]
    assert doit.pid not in processes
    if number is not None:
        doit.send_signal(number)
    assert (doit.wait(PATIENCE_SECONDS) == 0) == (number is None)
    wait_until(lambda: all(map(has_ended, processes)))
    assert (tmp_path / "starts").read_text() == "x"


def test_a_request_that_is_given_up_leaves_no_stage(toys):
    """Ctrl-C just after the request: nobody knows the stage's number."""
    toys.run("told = 0")
    (toys.folder / "late.py").write_text("import os, time\nopen('late', 'w').close()\ntime.sleep(1000)\n")
    descriptor = os.open(os.devnull, os.O_WRONLY)
    cwd, environment = toys.template._serves
    late = toys.template.start(
        ["", "-m", "late"], cwd=cwd, environment=environment, output=descriptor, keep_open=()
    )
    os.close(descriptor)
    wait_until((toys.folder / "late").exists)
    late._answers.close()
    wait_until(lambda: has_ended(late.pid))
    assert toys.run("told = os.getppid()") != os.getpid()


def test_memory_and_time_are_the_stages_own(toys):
    """A fork that inherited the peak of its parent would tell of the libraries' imports for ever."""
    toys.loaded()
    measured = "import resource; told = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, "
    measured += "time.process_time()]"
    before, seconds = toys.run(measured)
    assert seconds < 0.3  # the imports of the template take more
    large, _ = toys.run("memory = b'x' * (300 << 20)\n" + measured)
    assert large > before + 250
    assert toys.run(measured)[0] < before + 50


def test_a_product_after_the_fork_runs_on_the_threads_of_the_stage(toys):
    toys.loaded()
    body = (
        "import numpy, threadpoolctl\nbefore = len(os.listdir('/proc/self/task'))\n"
        "one = numpy.arange(640000.0).reshape(800, 800)\nproduct = one @ one\n"
        "pools = [pool['num_threads'] for pool in threadpoolctl.threadpool_info()]\n"
        "told = [before, len(os.listdir('/proc/self/task')), pools, float(product[3, 5])]"
    )
    before, after, pools, value = toys.run(body)
    assert (before, after) == (1, 2)
    assert {*pools} == {2}
    row, column = range(2400, 3200), range(5, 640000, 800)
    assert value == sum(x * y for x, y in zip(row, column, strict=True))


def test_stages_draw_other_random_numbers(toys):
    body = "import random, numpy; told = [random.random(), numpy.random.rand()]"
    one, other = toys.run(body), toys.run(body)
    assert one[0] != other[0]
    assert one[1] != other[1]


def test_a_stage_never_runs_code_that_was_read_before_an_edit(toys):
    """doit refuses a stage whose code was edited since doit started; here it is, and stages still run."""
    graph = toys.folder / "pipeline" / "graph"
    graph.mkdir(parents=True)
    for folder in (graph.parent, graph):
        (folder / "__init__.py").touch()
    (graph / "stage_runner.py").write_text("here = 'read at the start'")
    body = (
        "import pipeline.graph.stage_runner as own; told = [os.getppid(), own.here, own.__name__ in at_start]"
    )
    (template, here, held), again = toys.run(body), toys.run(body)
    assert held
    assert here == "read at the start"
    assert again == [template, here, held]
    (graph / "unread.py").write_text("1")
    assert toys.run(body) == again
    (graph / "stage_runner.py").write_text("here = 'edited'")
    assert toys.run(body) == [os.getpid(), "edited", False]
    assert toys.run(body) == [os.getpid(), "edited", False]
