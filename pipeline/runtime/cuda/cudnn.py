"""cuDNN 9 for Jittor's convolutions: those of images' colours, and all where our kernels do not run.

Jittor loads cuDNN 8 by its libraries' names, together with cuFFT and cuSPARSE. It is therefore started
without them (`conv_opt`). Its convolution module is added afterwards, compiled with the header in `shims` and
linked with libraries under the old names. Without this module, convolutions run on slow generated kernels.
"""

import ctypes
import fcntl
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from pipeline.runtime.cuda.cards import installed_driver
from pipeline.runtime.cuda.links import Toolkit
from pipeline.runtime.quiet_child import run_quietly
from pipeline.storage.files import read_json, write_json

_OLDEST = 9  # 8 is untried
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def can_be_tried(toolkit: Toolkit) -> bool:
    """Whether the toolkit has a cuDNN that Jittor's module compiles with."""
    return toolkit.cudnn is not None and toolkit.cudnn >= _OLDEST


def try_once(folder: Path, toolkit: Toolkit, onednn: Path | None, say: Callable[[str], None]) -> str | None:
    """Compile Jittor's cuDNN module and try a convolution, once for each compiled core and driver.

    It runs in a process of its own, as a cuDNN that does not match the driver or the GPU can end the process
    that loads it. The environment must have been set up for Jittor.

    Args:
        folder: folder of the compiled core; the result is stored there, in cudnn.json.
        toolkit: the CUDA toolkit, with cuDNN.
        onednn: the oneDNN library in use.
        say: prints a line beforehand, as this takes a while.

    Returns:
        None if the convolution works; else why not.
    """
    driver = installed_driver()
    version = list(driver.version) if driver else None
    result = folder / "cudnn.json"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = read_json(result) if result.is_file() else None
        # With another driver it may work: try again.
        if found is None or found["driver"] != version:
            say("compiling Jittor's convolutions by cuDNN, once ...")
            found = {"problem": _problem(folder / "first-cudnn.log", toolkit, onednn), "driver": version}
            write_json(result, found)
    return found["problem"]


def _problem(log: Path, toolkit: Toolkit, onednn: Path | None) -> str | None:
    """Run `_try` in a process of its own; if it failed, return the last line of its output."""
    arguments = f"{str(toolkit.libraries)!r}, {str(onednn) if onednn else None!r}"
    code = f"from pipeline.runtime.cuda.cudnn import _try; _try({arguments})"
    log.unlink(missing_ok=True)
    exit_code = run_quietly(code, log)
    if exit_code == 0:
        return None
    last_line = _COLOURS.sub("", log.read_text(errors="replace")).strip().rpartition("\n")[2].strip()
    return f"{last_line} (exit code {exit_code}, see {log})"


def load(jittor: ModuleType, libraries: Path) -> None:
    """Make a started Jittor compute convolutions with cuDNN."""
    nvrtc = libraries / "libnvrtc.so"
    if nvrtc.exists():  # cuDNN looks for it in the system's folders only, not in its own
        ctypes.CDLL(str(nvrtc), mode=ctypes.RTLD_GLOBAL)
    extern = jittor.compile_extern
    # Where Jittor's import has put the library that its CUDA modules share.
    shared = Path(jittor.compiler.cache_path) / "cuda"
    extern.setup_cuda_lib("cudnn", extra_flags=f' -L"{shared}" -llibcuda_extern ')
    jittor.cudnn = extern.cudnn


def _try(libraries: str, onednn: str | None) -> None:
    """Load the module and check a convolution; any failure ends this process with an exit code above 0."""
    if onednn is not None:
        ctypes.CDLL(onednn, mode=ctypes.RTLD_GLOBAL)
    import jittor

    jittor.flags.use_cuda = 1
    load(jittor, Path(libraries))
    compare(jittor)


def compare(jittor: ModuleType) -> None:
    """Compare a convolution and its gradients with NumPy's.

    Raises:
        SystemExit: one is wrong.
    """
    rng = np.random.default_rng(0)
    # Small integers: exact in every format and every order of summation.
    x, w, g = (rng.integers(-2, 3, shape) for shape in ((2, 3, 9, 9), (4, 3, 3, 3), (2, 4, 9, 9)))
    images, filters, gradient = (jittor.array(array.astype(np.float32)) for array in (x, w, g))
    y = jittor.nn.conv2d(images, filters, padding=1)
    found = [y, *jittor.grad((y * gradient).sum(), [images, filters])]
    around_x, around_g = _windows(x), _windows(g)
    expected = {
        "convolution": np.einsum("nchwij,ocij->nohw", around_x, w),
        "gradient of the images": np.einsum("nohwij,ocij->nchw", around_g, w[:, :, ::-1, ::-1]),
        "gradient of the filters": np.einsum("nchwij,nohw->ocij", around_x, g),
    }
    for (name, right), value in zip(expected.items(), found, strict=True):
        if not np.array_equal(value.numpy(), right):
            raise SystemExit(f"cuDNN's {name} is wrong")


def _windows(array: np.ndarray) -> np.ndarray:
    """The 3 x 3 window around every pixel of (N, C, H, W), padded with zeros: (N, C, H, W, 3, 3)."""
    padded = np.pad(array, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
