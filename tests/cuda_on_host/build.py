"""Builds the device sources as a library for the processor, with one fiber per thread of a block."""

import hashlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from pipeline.native.cuda.sources import FOLDER, device_headers, device_sources
from pipeline.runtime.cache import cache_root

_HERE = Path(__file__).resolve().parent
_FLAGS = ("-std=c++17", "-O3", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas")
_WITHOUT = {"products.cu"}  # cuBLASLt; replaced by products.cpp


@cache
def build_on_host() -> Path:
    """Compile what is not compiled yet; each source separately, so that an edit recompiles only one."""
    sources = [path for path in device_sources() if path.name not in _WITHOUT] + [_HERE / "products.cpp"]
    headers = [*device_headers(), *sorted(_HERE.glob("*.h"))]
    common = b"".join(path.read_bytes() for path in headers) + repr(_FLAGS).encode()
    folder = cache_root() / "native" / "cuda_on_host"
    folder.mkdir(parents=True, exist_ok=True)

    def compiled(source: Path) -> Path:
        digest = hashlib.sha256(common + source.read_bytes()).hexdigest()[:16]
        piece = folder / f"{source.stem}-{digest}.o"
        if not piece.is_file():
            _run(["-x", "c++", f"-I{_HERE}", f"-I{FOLDER}", *_FLAGS, "-c", str(source)], piece)
        return piece

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        objects = list(pool.map(compiled, sources))
    digest = hashlib.sha256(repr([path.name for path in objects]).encode()).hexdigest()[:16]
    library = folder / f"libdevice-{digest}.so"
    if not library.is_file():
        _run(["-shared", *map(str, objects)], library)
    return library


def _run(arguments: list[str], target: Path) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    done = subprocess.run(["g++", *arguments, "-o", str(partial)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    partial.replace(target)
