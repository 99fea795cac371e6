"""Runs all known-answer tests in one subprocess per device, because a test may end its process."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.config.experiment import Experiment
from pipeline.config.stages import RuntimeConfig
from pipeline.doctor.answers.answer import Answer

_PROJECT = Path(__file__).resolve().parents[3]
_LIMIT_SECONDS = 1800  # the first time, operators are compiled
_SCRIPT = """
import sys
from pathlib import Path
from pipeline.config.stages import RuntimeConfig
from pipeline.doctor.answers.running import write_answers
write_answers(Path(sys.argv[1]), RuntimeConfig.model_validate_json(sys.argv[2]), sys.argv[3])
"""


@dataclass(frozen=True)
class DeviceAnswers:
    """All answers on one device."""

    device: str  # "cpu" or "cuda"
    how: str  # card, threads, kernels, precision of products
    answers: list[Answer]
    seconds: float  # the start of Jittor included

    @property
    def right(self) -> bool:
        """Whether there are answers and all are right."""
        return bool(self.answers) and all(answer.ok for answer in self.answers)


def answers_on_every_device(
    experiment: Experiment, *, say: Callable[[str], None] = lambda message: None
) -> list[DeviceAnswers]:
    """Run the tests on the experiment's device, and on the processor if that is another one.

    Args:
        say: called with a line before anything that takes long.
    """
    say("computing known answers; the first time, operators are compiled for minutes ...")
    found = [_on_device(experiment.runtime, experiment.schedule.precision)]
    if found[0].device != "cpu":
        say("the same on the processor ...")
        found.append(_on_device(experiment.runtime.model_copy(update={"device": "cpu"}), "float32"))
    return found


def write_answers(path: Path, runtime: RuntimeConfig, precision: str) -> None:
    """Start Jittor, run the tests and write one line of JSON per answer; the first line describes the device.

    The name of a test is written before it runs, so that the file shows in which test a process ended.
    """
    from pipeline.runtime.start_jittor import start

    report = start(runtime.device, runtime.threads)
    from pipeline import kernels
    from pipeline.doctor.answers.evaluations import evaluation_tests
    from pipeline.doctor.answers.fixed_training import training_tests
    from pipeline.doctor.answers.kernel_cases import kernel_tests
    from pipeline.doctor.answers.updates import update_tests
    from pipeline.evaluate.neighbour_tiles import on_card

    kernels.use(runtime.kernels)
    kernels.use_precision(precision)
    where = report.card or f"cpu, {report.threads} thread(s)"
    how = f"{where}, {kernels.current()} kernels, products in {kernels.current_precision()}"
    if report.device == "cuda":
        on_card.prepare(runtime, say=print)
    searches = evaluation_tests(on_card=on_card.is_ready())
    tests = kernel_tests() | update_tests() | training_tests() | searches
    with open(path, "w", encoding="utf-8", buffering=1) as lines:
        lines.write(json.dumps({"device": report.device, "how": how}) + "\n")
        for name, test in tests.items():
            lines.write(json.dumps({"started": name}) + "\n")
            lines.write(json.dumps(asdict(run_test(name, test))) + "\n")


def run_test(name: str, test: Callable[[], Answer]) -> Answer:
    """Run the test; an exception becomes a wrong answer that quotes it."""
    try:
        return test()
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return _no_answer(name, text)


def _no_answer(name: str, why: str) -> Answer:
    remedy = "delete the cache, so that all is compiled again, and see whether another machine gives the same"
    return Answer(name, why, "an answer", float("nan"), 0.0, remedy)


def _on_device(runtime: RuntimeConfig, precision: str) -> DeviceAnswers:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.jsonl"
        command = [sys.executable, "-c", _SCRIPT, str(path), runtime.model_dump_json(), precision]
        try:
            done = subprocess.run(
                command,
                cwd=_PROJECT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LIMIT_SECONDS,
            )
            end = None if done.returncode == 0 else _end(done)
        except subprocess.TimeoutExpired:
            end = f"no answer within {_LIMIT_SECONDS} s"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    head = lines[0] if lines else {"device": runtime.device, "how": runtime.device}
    answers = [Answer(**line) for line in lines[1:] if "found" in line]
    if end is not None:
        last = lines[-1].get("started", "the end") if lines else "the start"
        answers.append(_no_answer(last, end))
    return DeviceAnswers(head["device"], head["how"], answers, time.monotonic() - started)


def _end(done: subprocess.CompletedProcess) -> str:
    output_lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    ended = f"ended by signal {-done.returncode}" if done.returncode < 0 else f"ended with {done.returncode}"
    return f"{ended}: {output_lines[-1]}" if output_lines else ended
