"""The stage's side of the graph: reads a job, runs it, and writes the stamp last."""

import ctypes
import gc
import platform
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.config.stages import RuntimeConfig
from pipeline.graph.libraries import installed_version
from pipeline.graph.printable import error_text, print_refusal, printable_output
from pipeline.graph.stage_ranks import as_rank, become_ranks, device_and_threads, leave_mpi
from pipeline.runtime import compiled_libraries
from pipeline.runtime.cuda.used import used_setup
from pipeline.runtime.heartbeat import waiting_for_others
from pipeline.runtime.processor import model_name
from pipeline.storage.artifacts import output_records, write_stamp
from pipeline.storage.files import read_json, write_text
from pipeline.storage.git_commit import git_commit
from pipeline.storage.runs import Run, RunKey

_PR_SET_PDEATHSIG = 1
_PROJECT = Path(__file__).resolve().parents[2]
TRACEBACK = "traceback.txt"  # the traceback of a refusal; the user is shown only its message


@dataclass(frozen=True)
class Job:
    """One run of one stage, as described by the graph for the stage's process."""

    stage: str
    name: str  # e.g. "hssl-seed0"; empty if a stage runs once
    run: dict[str, Any]  # fields of the `RunKey` from which the name is made
    fingerprint: str
    code: str  # digest of the code in the fingerprint
    libraries: dict[str, str | None]  # libraries that compute in the stage -> version, as in the fingerprint
    made_with: dict[str, str | None]  # these, and the libraries of everything upstream
    config: dict[str, Any]
    inputs: dict[str, str]  # argument name -> artifact directory
    runs: list[dict[str, Any]]  # runs in a table: stage, `RunKey` fields, artifact directory
    identities: dict[str, str]  # the inputs' identities, which entered the fingerprint
    lineage: dict[str, str]  # input -> digest of the content that the stage reads
    work: float
    output: str
    runtime: dict[str, Any]


def serve(
    run: Callable[..., str | None], config_class: Any, *, needs_jittor: bool = False, on_ranks: bool = False
) -> None:
    """Run the job named on the command line, then write `stamp.json`.

    Args:
        run: called as `run(config, output, **inputs, runtime=...)`, the inputs as directories; a stage that
            makes a table also gets `runs`, a list of `Run`. It may return a digest of the artifact's content;
            later fingerprints depend on the digest returned by `prepare`.
        config_class: class of the job's "config", or a union of several.
        needs_jittor: start Jittor before `run`, so that its imports may use it.
        on_ranks: whether the stage runs on `runtime.devices` ranks; each of them calls `run`.

    Raises:
        SystemExit: no job was named, or an invalid one; or the stage refused its input, and the message was
            printed.
        ValueError: the job's config is invalid.
    """
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: python -m stages.NAME JOB.json, got the arguments {sys.argv[1:]}")
    _end_with_parent()
    try:
        job = read_job(Path(sys.argv[1]))
    except (OSError, ValueError) as error:
        raise SystemExit(error_text(error)) from None
    config = TypeAdapter(config_class).validate_python(job.config)
    runtime = RuntimeConfig.model_validate(job.runtime)
    output = Path(job.output)

    def work(writes_stamp: bool = True) -> None:
        _run_job(job, run, config, runtime, needs_jittor=needs_jittor, writes_stamp=writes_stamp)

    if on_ranks and runtime.devices > 1:
        with _refusals_printed(output):
            become_ranks(runtime, output)
        with as_rank(output, runtime) as first:
            work(writes_stamp=first)
    else:
        leave_mpi()
        work()
    # At exit Python looks for garbage in all modules several times, a quarter of a second with scikit-learn.
    gc.freeze()


def _run_job(
    job: Job,
    run: Callable[..., str | None],
    config: Any,
    runtime: RuntimeConfig,
    *,
    needs_jittor: bool,
    writes_stamp: bool,
) -> None:
    output = Path(job.output)
    started, clock = datetime.now(UTC), time.monotonic()
    device, card, ranks, exchange = "cpu", None, 1, None
    with _refusals_printed(output), printable_output():
        (output / TRACEBACK).unlink(missing_ok=True)
        if needs_jittor:
            with _no_collections(), waiting_for_others():  # ranks start MPI together
                from pipeline.runtime.start_jittor import start

                report = start(*device_and_threads(runtime), say=lambda text: print(text, flush=True))
            device, card, ranks = report.device, report.card, report.ranks
            if ranks > 1:
                from pipeline.ranks.connecting import connect

                exchange, note = connect()
                if note:
                    print(note, flush=True)
        else:
            compiled_libraries.check_native(lambda text: print(text, flush=True))
            compiled_libraries.keep_digests_at_exit()
        inputs: dict[str, Any] = {name: Path(path) for name, path in job.inputs.items()}
        if job.runs:
            inputs["runs"] = [_run(values) for values in job.runs]
        content = run(config, output, runtime=runtime, **inputs)
        if (setup := used_setup()) is not None:  # also without Jittor
            device, card = "cuda", f"{setup.card.name} (cuda:{setup.card.index})"
        if not writes_stamp:
            return
        stamp = {
            "stage": job.stage,
            "name": job.name,
            "run": job.run,
            "fingerprint": job.fingerprint,
            "code": job.code,
            "libraries": job.libraries,
            "made_with": job.made_with,
            "config": job.config,
            "inputs": job.identities,
            "lineage": job.lineage,
            "outputs": output_records(output),
            "content": content,
            "work": job.work,
            "seconds": round(time.monotonic() - clock, 3),
            "processor_seconds": round(time.process_time(), 3),  # of all threads; not of compilers
            "started": started.isoformat(timespec="seconds"),
            "environment": environment(runtime, device, card, ranks, exchange),
        }
        write_stamp(output, stamp)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Import without looking for garbage: there is none, now or in later collections."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


@contextmanager
def _refusals_printed(output: Path) -> Iterator[None]:
    """Print only the message of a refusal; its traceback goes to a file in `output`."""
    try:
        yield
    except Exception as error:
        if not is_refusal(error):
            raise
        with suppress(OSError):  # e.g. the disk is full
            write_text(output / TRACEBACK, traceback.format_exc())
        nameless = isinstance(error, OSError) and error.filename is None and str(output) not in str(error)
        text = f"{output}: {error_text(error)}" if nameless else error_text(error)
        _release(error)
        print(f"\n{text}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def is_refusal(error: Exception) -> bool:
    """Whether an exception is about an input or the machine, and not a bug.

    Such an exception belongs to one of the project's classes, or is an OSError, or a ValueError or
    FloatingPointError raised in the project's own code, not in a library that it called wrongly.
    """
    if type(error).__module__.split(".")[0] == "pipeline" or isinstance(error, OSError):
        return True
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    folders = (_PROJECT / "pipeline", _PROJECT / "stages")
    ours = any(Path(frame.f_code.co_filename).is_relative_to(folder) for folder in folders)
    return ours and isinstance(error, ValueError | FloatingPointError)


def exit_code_of(act: Callable[[], object]) -> int:
    """0 after a call, or 1 after a refusal, of which only the message is printed."""
    try:
        with printable_output():
            act()
    except Exception as error:
        if not is_refusal(error):
            raise
        _release(error)
        print_refusal(error)
        return 1
    return 0


def _release(error: BaseException | None) -> None:
    """Release what the refused work held, quietly.

    A zip file whose writing failed, as in `numpy.savez`, is closed again when it is deleted, and Python
    prints a traceback of that.
    """
    before, sys.unraisablehook = sys.unraisablehook, lambda problem: None
    try:
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            error = error.__cause__ or error.__context__
        gc.collect()
    finally:
        sys.unraisablehook = before


def read_job(path: Path) -> Job:
    """Read a job's file.

    Raises:
        ValueError: keys are missing or unknown; the message names the file and the keys.
    """
    values = read_json(path)
    expected = set(Job.__dataclass_fields__)
    if not isinstance(values, dict) or set(values) != expected:
        found = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise ValueError(f"{path}: a job has the keys {sorted(expected)}, found {found}")
    return Job(**values)


def _run(values: dict[str, Any]) -> Run:
    return Run(values["stage"], RunKey(**values["key"]), Path(values["directory"]))


def environment(
    runtime: RuntimeConfig,
    device: str,
    card: str | None = None,
    ranks: int = 1,
    exchange: str | None = None,
) -> dict[str, Any]:
    """What numbers may depend on besides configuration and code; recorded, but not in the fingerprint."""
    return {
        "python": platform.python_version(),
        **{package: installed_version(package) for package in ("numpy", "jittor", "scikit-learn", "pillow")},
        "processor": model_name() or platform.processor() or None,
        "platform": platform.platform(),
        "git_commit": git_commit(),
        "threads": runtime.num_threads,
        "ranks": ranks,
        "exchange": exchange,  # by which ranks exchange variables: "MPI", "NCCL 2.28.3"; None: one rank
        "device": device,
        "card": card,
        "kernels": runtime.kernels,
        # Linux counts in KiB.
        "peak_memory_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def _end_with_parent() -> None:
    """Have Linux kill this process when its parent has ended, so that no orphan keeps the GPU."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
