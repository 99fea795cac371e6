"""Starts Jittor: call `start` before anything imports it. Stages do so in `pipeline.graph.stage_runner`.

On import, Jittor compiles itself, reads a dozen environment variables, downloads missing libraries, and
installs signal handlers. `start` sets all this up, once per process.
"""

import contextlib
import ctypes
import os
import resource
import signal
import ssl
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy

from pipeline.config.devices import check_device
from pipeline.runtime import compiled_headers, environment, mpi
from pipeline.runtime.compiled_libraries import check_jittor, check_native, keep_digests_at_exit
from pipeline.runtime.core_and_kernels import compile_core_and_kernels
from pipeline.runtime.cuda import after_import, cudnn
from pipeline.runtime.cuda.calling_operators import compile_calls_as_cpp
from pipeline.runtime.cuda.cards import card_index
from pipeline.runtime.cuda.setup import CudaSetup
from pipeline.runtime.cuda.used import remember
from pipeline.runtime.jittor_cache import OneDnn, Say, discard, is_built, prepare
from pipeline.runtime.jittor_files import jittor_files
from pipeline.runtime.jittor_setup import JittorStartError, set_up
from pipeline.runtime.joined_sources import leave_joined
from pipeline.runtime.operator_compiler import compile_operators_directly
from pipeline.runtime.plain_paths import environment_problem
from pipeline.runtime.signal_stack import install_signal_stack

__all__ = ["JittorStartError", "StartReport", "start"]

_MIB = 2**20
# How often a waiting thread of libgomp polls before it sleeps. The default, 300,000, takes milliseconds: on a
# busy machine the waiting thread then takes the core from the threads it waits for.
_SPIN_COUNT_WHEN_BUSY = 1000
_BUSY_LOAD = 1.5  # load average per core; one run alone makes about 1


@dataclass(frozen=True)
class StartReport:
    """The device, threads, libraries and ranks that Jittor uses in this process."""

    device: Literal["cpu", "cuda"]
    card: str | None  # name and index of the GPU, such as "NVIDIA H100 80GB HBM3 (cuda:0)"
    threads: int
    onednn: Path | None  # the library in use
    cudnn: bool  # whether the GPU's convolutions use cuDNN
    cache: Path  # folder of the code that Jittor compiles
    notes: tuple[str, ...]  # what makes it slower than it could be, for the user
    ranks: int  # number of MPI ranks; 1 without MPI


_started: StartReport | None = None


def start(device: str = "auto", threads: int = 0, *, say: Say = lambda message: None) -> StartReport:
    """Set up the environment, then import Jittor.

    This takes half a second, or some minutes if Jittor's core has to be compiled first. A second call in the
    same process only changes the number of threads.

    A process that mpirun started becomes one of its ranks. Jittor then compiles a library for MPI; its core
    and all other operators are those of a single process.

    Args:
        device: "auto" takes the first GPU if one works, "cuda" requires it, "cuda:1" requires the second one
            that CUDA_VISIBLE_DEVICES leaves visible; "cpu" takes none.
        threads: threads of the CPU kernels; 0 means every core that this process may use.
        say: prints a line about something that takes long or is missing.

    Raises:
        JittorStartError: NumPy's version is wrong, the Python environment's path holds a space, a file of
            Jittor or the compiler is missing, `device` names a missing GPU, or this is a rank and Open MPI is
            not found.
        ValueError: `device` is none of these.
        JittorBuildError: Jittor's core could not be compiled.
        OSError: no folder can hold compiled code.
    """
    global _started
    check_device(device)
    threads = threads or len(os.sched_getaffinity(0))
    if _started is not None:
        _started = _second_start(_started, device, threads)
        return _started
    _refuse_numpy_2()
    if problem := environment_problem():
        raise JittorStartError(problem)
    files_notes = _look_at_jittors_files()
    if "jittor" in sys.modules:
        raise JittorStartError("jittor was imported before pipeline.runtime.start_jittor.start() was called")
    ranks = mpi.num_ranks_started()
    open_mpi = None if ranks is None else _find_mpi()
    setup = set_up(device, threads)
    cuda, onednn, folder = setup.cuda, setup.onednn, setup.folder
    load_notes = _spin_less_when_busy()
    check_native(say)
    if is_built(folder) and not check_jittor(folder, say):
        discard(folder)
    if not is_built(folder):
        compile_core_and_kernels(setup, say)
    prepare(folder, onednn)
    if open_mpi:
        os.environ.update(use_mpi="1", mpicc_path=str(open_mpi.mpicc))
    install_signal_stack()
    _include_core_headers(folder)
    cudnn_notes = _try_cudnn(folder, cuda, onednn, say)
    with_cudnn = cuda is not None and not cudnn_notes
    _import_jittor(folder, cuda, with_cudnn=with_cudnn)
    if cuda is None:
        compiled_headers.use_operator_headers(sys.modules["jittor"], folder, setup.compiler)
        compile_operators_directly(sys.modules["jittor"], folder)
    else:
        compile_calls_as_cpp(sys.modules["jittor"], folder, cuda.toolkit.nvcc)
    remember(cuda)
    _set_threads(threads)
    keep_digests_at_exit()
    _started = StartReport(
        device="cuda" if cuda else "cpu",
        card=f"{cuda.card.name} (cuda:{cuda.card.index})" if cuda else None,
        threads=threads,
        onednn=onednn[1] if onednn else None,
        cudnn=with_cudnn,
        cache=folder,
        notes=(*files_notes, *setup.notes, *cudnn_notes, *load_notes),
        ranks=ranks or 1,
    )
    for note in _started.notes:
        say(note)
    return _started


def _second_start(report: StartReport, device: str, threads: int) -> StartReport:
    other_card = card_index(device) is not None and not (report.card or "").endswith(f"({device})")
    if device != "auto" and (device.partition(":")[0] != report.device or other_card):
        found = f"{report.device!r}, {report.card}" if report.card else repr(report.device)
        raise JittorStartError(f"Jittor was started for {found} here, not for {device!r}")
    if threads == report.threads:
        return report
    _set_threads(threads)
    return replace(report, threads=threads)


def _refuse_numpy_2() -> None:
    if int(numpy.__version__.split(".")[0]) >= 2:
        raise JittorStartError(
            f"NumPy {numpy.__version__} is installed, but Jittor 1.3 needs a version below 2: with NumPy "
            "2 it returns uninitialised memory without any error. Remedy: pip install 'numpy>=1.26,<2'"
        )


def _look_at_jittors_files() -> tuple[str, ...]:
    """Notes for the user; none where the sizes of Jittor's files are those of its wheel."""
    files = jittor_files(content=False)
    if files.num_missing:
        raise JittorStartError(f"Jittor is not whole: {files}. Remedy: {files.remedy}")
    return (f"{files}: results may not be Jittor's. Remedy: {files.remedy}",) if files.differing else ()


def _try_cudnn(folder: Path, cuda: CudaSetup | None, onednn: OneDnn | None, say: Say) -> tuple[str, ...]:
    """Try cuDNN, and return notes for the user: none if it works or no GPU is used."""
    if cuda is None:
        return ()
    slower = "convolutions of images, and all before compute capability 8.0, run on plain kernels, slower"
    if not cudnn.can_be_tried(cuda.toolkit):
        return (f"cuDNN 9 is not installed; {slower} (CUDA 13: pip install nvidia-cudnn-cu13)",)
    problem = cudnn.try_once(folder, cuda.toolkit, onednn[1] if onednn else None, say)
    return (f"cuDNN cannot be used ({problem}); {slower}",) if problem else ()


def _find_mpi() -> mpi.Mpi:
    found = mpi.installed_mpi()
    if found is None:
        raise JittorStartError(f"mpirun started this process, but Open MPI's mpicc is missing: {mpi.REMEDY}")
    return found


def _include_core_headers(folder: Path) -> None:
    """Pass Jittor the flags that its core was compiled with; with others it would compile it again."""
    if flags := compiled_headers.core_flags(folder):
        given = environment.original("cc_flags") or ""
        environment.change({"cc_flags": f"{given} {flags}".strip()})


def _spin_less_when_busy() -> tuple[str, ...]:
    """On a busy machine, make waiting OpenMP threads sleep soon; on an idle one that would cost time.

    If the user has set OMP_WAIT_POLICY or GOMP_SPINCOUNT, nothing is changed.
    """
    num_cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    given = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ)
    if given or load <= _BUSY_LOAD * num_cores:
        return ()
    os.environ["GOMP_SPINCOUNT"] = str(_SPIN_COUNT_WHEN_BUSY)
    return (f"this machine is busy (load {load:.0f} on {num_cores} cores): threads that wait sleep at once",)


def _import_jittor(folder: Path, cuda: CudaSetup | None, *, with_cudnn: bool) -> None:
    """Import Jittor, then restore the signal handlers and other settings that it replaces."""
    # Its handlers end the process without clean-up on Ctrl-C, and when any child process is killed.
    taken = (signal.SIGINT, signal.SIGCHLD, signal.SIGQUIT)
    handlers = {number: signal.getsignal(number) for number in taken}
    https_context = ssl._create_default_https_context  # Jittor turns off the checking of certificates
    # Its libraries make the processor flush subnormals to zero. NumPy measures them, once: so before that.
    for kind in (numpy.float16, numpy.float32, numpy.float64):
        numpy.finfo(kind)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import jittor_utils

            leave_joined(jittor_utils, folder)
            import jittor
    except SystemExit as leaving:
        discard(folder)
        raise JittorStartError(
            "Jittor compiled a part of itself again and asks for a new start; the same command will work"
        ) from leaving
    except ImportError as error:  # a library cut short by a full disk or a power failure
        discard(folder)
        raise JittorStartError(
            f"Jittor's compiled core cannot be loaded and is built again at the next start: {error}"
        ) from error
    finally:
        ssl._create_default_https_context = https_context
        _restore(handlers)
    jittor.flags.use_cuda = int(cuda is not None)
    _compile_on_few_threads(jittor)
    if cuda is not None:
        after_import.tune(jittor)
        if with_cudnn:
            cudnn.load(jittor, cuda.toolkit.libraries)
    else:
        _reserve_memory(jittor)


def _compile_on_few_threads(jittor: ModuleType) -> None:
    """Compile operators on one thread more than there are cores.

    Jittor starts one for every 3 GiB of memory, up to 16. Each keeps 2 MiB, also where everything is compiled
    and it has only loaded.
    """
    threads = len(os.sched_getaffinity(0)) + 1
    jittor.flags.use_parallel_op_compiler = min(jittor.flags.use_parallel_op_compiler, threads)


def _reserve_memory(jittor: ModuleType) -> None:
    """Make Jittor's allocator take all tensors from one large block.

    The allocator merges free neighbours only within a block. With one block per tensor, memory that one step
    frees does not fit the shapes of the next: 4 % more for a step of ViT-S/16. The block is address space;
    pages become memory only when they are first written.
    """
    half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:  # a batch system's limit counts the whole block
        return
    # Without overcommit the system may refuse it: the allocator then works as before.
    with contextlib.suppress(RuntimeError):
        jittor.empty((half // _MIB, _MIB // 4), "float32").sync()


def _restore(handlers: dict) -> None:
    with contextlib.suppress(ValueError):  # not the main thread, which alone may set handlers
        for number, handler in handlers.items():
            if handler is not None:
                signal.signal(number, handler)


def _set_threads(threads: int) -> None:
    """Set the thread count, also of an OpenMP library that has read its environment before `start`."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libgomp.so.1").omp_set_num_threads(threads)
