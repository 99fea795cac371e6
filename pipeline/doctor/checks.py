"""Checks of this machine: what was found, and a remedy where something is missing."""

import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import time
from importlib import metadata, util
from pathlib import Path

from pipeline.config.evaluate import EvaluateSection
from pipeline.config.experiment import Experiment
from pipeline.costs.available import address_space
from pipeline.datasets.tables.shard_names import is_pattern
from pipeline.doctor.code_files import compiled_libraries_check, jittor_files_check
from pipeline.doctor.ranks import mpi_checks, two_ranks_check
from pipeline.report.page.address_space import NEEDED_BYTES
from pipeline.runtime.cache import cache_root, folder_size
from pipeline.runtime.check import Check
from pipeline.runtime.cuda.checks import cuda_checks
from pipeline.runtime.onednn import onednn_paths
from pipeline.runtime.plain_paths import environment_problem
from pipeline.storage.artifacts import artifacts_root
from pipeline.storage.remote_paths import is_url
from pipeline.training.loggers.logger import LOGGERS

GIB = 2**30
_ONEDNN_REMEDY = "pip install 'onednn-cpu-gomp<2023' 'onednn-devel-cpu-gomp<2023' (x86-64 Linux)"


def cheap_checks(experiment: Experiment, results: Path, *, runs_here: bool = True) -> list[Check]:
    """Run the checks that take milliseconds; reaching the hosts of a file takes seconds.

    Args:
        experiment: the experiment whose data and device are checked.
        results: folder that the run will write into; it need not exist.
        runs_here: whether stages run on this machine; only then is its device checked.
    """
    return [
        _python(),
        _compiler(),
        _headers(),
        _numpy(),
        _pillow(),
        _jittor_installed(),
        _onednn(),
        _memory(),
        _address_space(),
        _disk(results),
        _cache(),
        *experiment_checks(experiment, runs_here=runs_here),
    ]


def experiment_checks(experiment: Experiment, *, runs_here: bool = True) -> list[Check]:
    """The cheap checks that depend on the experiment: its device, ranks, loggers and data."""
    return [
        *(cuda_checks(experiment.runtime.device) if runs_here else ()),
        *mpi_checks(experiment.runtime, runs_here=runs_here),
        *_loggers(experiment.runtime.loggers),
        *_data(experiment),
    ]


def full_checks(experiment: Experiment, results: Path, *, say=lambda message: None) -> list[Check]:
    """Run the cheap checks, start Jittor, and measure its speed and the size of its cache.

    Args:
        say: called with a line before anything that takes long.
    """
    checks = cheap_checks(experiment, results)
    if not stops(checks):
        checks += [jittor_files_check(), compiled_libraries_check()]
        checks += [*_jittor_runs(experiment, say), _cache_size()]
        if experiment.runtime.devices > 1:
            say("starting two ranks; the first time, a library is compiled for them ...")
            checks.append(two_ranks_check(experiment.runtime.device))
    return checks


def failures(checks: list[Check]) -> list[str]:
    """One line for every failed check: what was found, and the remedy."""
    return [f"{check.name}: {check.found}. Remedy: {check.remedy}" for check in checks if check.ok is False]


def stops(checks: list[Check]) -> bool:
    """Whether one of the failed checks would stop a run."""
    return any(check.ok is False for check in checks)


def table_rows(checks: list[Check]) -> list[tuple[str, str, str, str]]:
    """Rows (name, state, found, remedy) to print; the remedy is empty unless it is needed."""
    states = {True: "ok", None: "warning", False: "FAILED"}
    return [(c.name, states[c.ok], c.found, "" if c.ok else c.remedy) for c in checks]


def _python() -> Check:
    version = platform.python_version()
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    if fits and (problem := environment_problem()):
        remedy = "make the environment in a folder whose path has no space or quote, and install there"
        return Check("Python", False, problem, remedy)
    return Check("Python", fits, version, "use Python 3.11 or 3.12: there is no NumPy below 2 for later ones")


def _compiler() -> Check:
    remedy = "install g++ (Debian, Ubuntu: apt-get install g++)"
    path = shutil.which("g++")
    if path is None:
        return Check("C++ compiler", False, "g++ is not on PATH", remedy)
    done = subprocess.run([path, "--version"], capture_output=True, text=True, errors="replace")
    return Check("C++ compiler", done.returncode == 0, done.stdout.partition("\n")[0] or path, remedy)


def _headers() -> Check:
    header = Path(sysconfig.get_path("include")) / "Python.h"
    present = header.is_file()
    package = f"python3.{sys.version_info.minor}-dev"
    remedy = f"install Python's headers (Debian, Ubuntu: apt-get install {package})"
    return Check("Python headers", present, str(header) if present else f"{header} is missing", remedy)


def _numpy() -> Check:
    remedy = "pip install 'numpy>=1.26,<2': Jittor returns uninitialised memory with NumPy 2"
    version = _version("numpy")
    return Check("NumPy below 2", bool(version) and int(version.split(".")[0]) < 2, version or "none", remedy)


def _pillow() -> Check:
    if not _version("pillow"):
        return Check("Pillow", False, "none", "pip install pillow")
    from PIL import features

    codecs = {"JPEG": "jpg", "PNG": "zlib", "WebP": "webp"}
    missing = [name for name, feature in codecs.items() if not features.check(feature)]
    able = f"cannot read {', '.join(missing)}" if missing else f"reads {', '.join(codecs)}"
    remedy = "pip install --force-reinstall pillow (the wheel has all formats)"
    # The embedded data set and most folders of images need JPEG and PNG; WebP is rare.
    ok = None if missing == ["WebP"] else not missing
    return Check("Pillow", ok, f"{_version('pillow')}, {able}", remedy)


def _jittor_installed() -> Check:
    version = _version("jittor")
    fits = bool(version) and version.startswith("1.3.")
    return Check("Jittor", fits, version or "none", "pip install 'jittor>=1.3.11,<1.4'")


def _onednn() -> Check:
    found = onednn_paths()
    if found is None:
        return Check("oneDNN", None, "none: several times slower", _ONEDNN_REMEDY)
    return Check("oneDNN", True, str(found[1]))


def _loggers(names: tuple[str, ...]) -> list[Check]:
    found = []
    for name in names:
        package = LOGGERS[name].package
        version = _version(package)
        found.append(
            Check(f"logger {name}", bool(version), version or f"no {package}", f"pip install -e '.[{name}]'")
        )
    return found


def _memory() -> Check:
    available = _available_memory()
    if available is None:
        return Check("memory", None, "unknown (no /proc/meminfo)", "see that some GiB are free")
    found = f"{available / GIB:.1f} GiB available"
    remedy = "close other programs, or use a smaller batch"
    return Check("memory", True if available >= 2 * GIB else None, found, remedy)


def _address_space() -> Check:
    """Whether a limit of addresses, as batch systems set it, ends what there is memory enough for."""
    allowed = address_space()
    if allowed == math.inf:
        return Check("address space", True, "no limit")
    found = f"{allowed / GIB:.1f} GiB allowed by RLIMIT_AS, for memory and all that is reserved"
    remedy = (
        f"`ulimit -v unlimited`, or another job: the report's charts need {NEEDED_BYTES / GIB:.0f} GiB of "
        "addresses (`doit run tables` does without); everything else counts the limit as memory"
    )
    return Check("address space", True if allowed >= NEEDED_BYTES else None, found, remedy)


def _available_memory() -> int | None:
    """Bytes of memory that are available without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kib = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
    return None if kib is None else kib * 1024


def _disk(results: Path) -> Check:
    for folder in (results, artifacts_root(results)):
        if os.path.lexists(folder) and not folder.is_dir():
            absent = folder.is_symlink() and not folder.exists()
            there = f"a link to {os.readlink(folder)}, which is not there" if absent else "a file"
            remedy = "mount its disk, or move it away"
            return Check("disk", False, f"expected a folder {folder}, found {there}", remedy)
    existing = next(folder for folder in (results.absolute(), *results.absolute().parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return Check("disk", False, f"{existing} cannot be written", "take the right to write there")
    free = shutil.disk_usage(existing).free
    ok = False if free < 0.2 * GIB else None if free < 2 * GIB else True
    return Check("disk", ok, f"{free / GIB:.1f} GiB free at {existing}", "free some space, or doit run gc")


def _cache() -> Check:
    try:
        return Check("cache", True, str(cache_root()))
    except OSError as error:
        return Check("cache", False, str(error), "set HSSL_CACHE to a folder of yours that can be written")


def _cache_size() -> Check:
    root = cache_root()
    size = folder_size(root)
    remedy = f"delete {root}; what is needed is compiled again"
    return Check("cache size", True if size < 10 * GIB else None, f"{size / GIB:.2f} GiB", remedy)


def _data(experiment: Experiment) -> list[Check]:
    """One check per data set, in the order in which a run uses them."""
    found = [_source(key, data.source) for key, data in experiment.data_sections().items()]
    return found + [_supported(each) for each in experiment.evaluate if Path(each.data.source).exists()]


def _supported(section: EvaluateSection) -> Check:
    """Check that a further data set has the annotations its tasks need, as far as its format tells."""
    from pipeline.datasets.supported_tasks import check_found

    name = f"evaluate {section.name}"
    try:
        check_found(section)
    except (OSError, ValueError) as error:
        return Check(name, False, str(error).removeprefix(f"{name}: "), "correct its tasks or its data")
    return Check(name, True, ", ".join(section.tasks))


def _source(key: str, source: str) -> Check:
    if source == "photo-scenes":
        absent = [package for package in ("skimage", "sklearn") if util.find_spec(package) is None]
        found = f"photo-scenes; not installed: {', '.join(absent)}" if absent else "photo-scenes, embedded"
        return Check(key, not absent, found, "pip install scikit-image scikit-learn")
    present = is_url(source) or Path(source).exists() or is_pattern(source)
    found = source if present else f"{source} does not exist"
    remedy = (
        f"put the data there, or correct {key}.source (a relative path counts from the experiment's file)"
    )
    return Check(key, present, found, remedy)


def _jittor_runs(experiment: Experiment, say) -> list[Check]:
    from pipeline.runtime.start_jittor import start

    try:
        report = start(experiment.runtime.device, experiment.runtime.threads, say=say)
    except (RuntimeError, OSError, ImportError) as error:
        remedy = "see the message; deleting the cache builds Jittor again"
        return [Check("Jittor starts", False, str(error), remedy)]
    where = f"{report.card or report.device}, {report.threads} thread(s)"
    started = Check("Jittor starts", True, where)
    if report.device == "cuda":
        slow = " ".join(note for note in report.notes if note.startswith("cuDNN"))
        remedy = "see the message; it is tried again with another driver or toolkit"
        convolutions = Check("convolutions", report.cudnn or None, slow or "cuDNN", remedy)
        return [started, convolutions, *_products_on_card()]
    speed = _matmul_gflops()
    found = f"{speed:.0f} GFLOP/s, {'oneDNN' if report.onednn else 'without oneDNN'}"
    return [started, Check("matrix product", True if report.onednn else None, found, _ONEDNN_REMEDY)]


def _products_on_card() -> list[Check]:
    """Measure the speed and the error of a matrix product on the GPU in each precision."""
    from pipeline.runtime.cuda.products import timed_products

    checks = []
    for product in timed_products():
        found = f"{product.tflops:.1f} TFLOP/s, relative error {product.error:.1e}"
        remedy = f"more than {product.allowed:.0e} is wrong: see that driver, toolkit and card fit together"
        checks.append(Check(f"{product.precision} product", product.right, found, remedy))
    return checks


def _matmul_gflops(size: int = 1024, repeats: int = 7) -> float:
    """Median GFLOP/s of a (size, size) float32 product; the first one, which compiles, is left out."""
    import jittor

    left = jittor.randn(size, size)
    seconds = []
    for _ in range(repeats + 1):
        jittor.sync_all(True)
        started = time.perf_counter()
        jittor.matmul(left, left).sync(True)
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(seconds[1:]) / 1e9


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
