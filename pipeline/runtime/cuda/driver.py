"""The CUDA driver and its GPUs, as the driver reports them: an `nvcc` on PATH does not prove a driver.

The driver is queried in a child process (this file, run as a script). A process that has initialised it
ignores later changes of CUDA_VISIBLE_DEVICES, and must not be forked.
"""

import ctypes
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

_LIBRARY = "libcuda.so.1"
_SECONDS = 60  # limit; a driver that must first initialise eight cards answers within a few
# CUdevice_attribute of the driver's interface.
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76


@dataclass(frozen=True)
class Card:
    """One GPU."""

    index: int  # among those that CUDA_VISIBLE_DEVICES left visible
    name: str  # such as "NVIDIA H100 80GB HBM3"
    capability: tuple[int, int]  # compute capability, (9, 0) for sm_90
    memory_bytes: int

    @property
    def target(self) -> str:
        """nvcc's name for the compute capability, such as "sm_90"."""
        return f"sm_{self.capability[0]}{self.capability[1]}"


@dataclass(frozen=True)
class Driver:
    """The installed driver."""

    version: tuple[int, int]  # newest CUDA version that the driver supports
    cards: tuple[Card, ...]  # the GPUs that it can use
    problem: str = ""  # why there are no GPUs


def driver(visible: str | None = None) -> Driver | None:
    """The driver and the GPUs that it can use; None if no driver is installed.

    Args:
        visible: replaces CUDA_VISIBLE_DEVICES, in the same format; None leaves all GPUs visible.
    """
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    return _ask(visible, os.environ.get("LD_LIBRARY_PATH"))


@cache
def _ask(visible: str | None, library_path: str | None) -> Driver:
    # `library_path` is an argument only for the cache: another path may mean another driver.
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    command = [sys.executable, "-I", "-S", __file__]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS)
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Driver((0, 0), (), f"the driver did not answer within {_SECONDS} seconds")
    except json.JSONDecodeError:
        return Driver(
            (0, 0), (), f"the driver ended the process that queried it, with exit code {done.returncode}"
        )
    cards = tuple(
        Card(index, card["name"], tuple(card["capability"]), card["memory_bytes"])
        for index, card in enumerate(answer["cards"])
    )
    return Driver(tuple(answer["version"]), cards, answer["problem"])


def _survey(library: ctypes.CDLL) -> dict:
    """The driver's version, its GPUs, and the problem if there is one, as values for JSON."""
    version = ctypes.c_int(0)
    library.cuDriverGetVersion(ctypes.byref(version))
    # CUDA writes 13.2 as 13020.
    answer = {"version": divmod(version.value // 10, 100), "cards": [], "problem": ""}
    count = ctypes.c_int(0)
    for status in (library.cuInit(0), library.cuDeviceGetCount(ctypes.byref(count))):
        if status != 0:
            return answer | {"problem": f"the driver reports {_error_name(library, status)}"}
    answer["cards"] = [_card(library, index) for index in range(count.value)]
    return answer if count.value else answer | {"problem": "the driver sees no card"}


def _card(library: ctypes.CDLL, index: int) -> dict:
    device, memory, name = ctypes.c_int(0), ctypes.c_size_t(0), ctypes.create_string_buffer(256)
    library.cuDeviceGet(ctypes.byref(device), index)
    library.cuDeviceGetName(name, len(name), device)
    library.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        value = ctypes.c_int(0)
        library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(value.value)
    return {
        "name": name.value.decode(errors="replace"),
        "capability": capability,
        "memory_bytes": memory.value,
    }


def _error_name(library: ctypes.CDLL, status: int) -> str:
    text = ctypes.c_char_p()
    if library.cuGetErrorName(status, ctypes.byref(text)) != 0 or text.value is None:
        return f"error {status}"
    return text.value.decode(errors="replace")


if __name__ == "__main__":
    print(json.dumps(_survey(ctypes.CDLL(_LIBRARY))))
