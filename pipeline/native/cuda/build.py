"""Compiles CUDA sources into a shared library, once per source, toolkit and kind of GPU; without Jittor."""

import hashlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.native.build import BuildError, built_once
from pipeline.native.cuda.sources import device_headers, device_sources
from pipeline.runtime.cuda import Toolkit, toolkit
from pipeline.runtime.cuda.remedies import code_flag

OLDEST = (8, 0)  # compute capability of the first cards with the instructions used by attention
# Not --use_fast_math: its exponentials and divisions are too coarse for the tests against float64.
_FLAGS = ("-O3", "-std=c++17", "-Xcompiler=-fPIC", "--cudart=shared")
_LIBRARIES = ("-lcublasLt",)


def build_device_library(architecture: tuple[int, int], tools: Toolkit | None = None) -> Path:
    """Compile the kernels for GPUs of one compute capability unless that library exists already.

    Args:
        architecture: compute capability, such as (9, 0).
        tools: the CUDA toolkit; None: the one with which Jittor is built.

    Returns:
        Path of the library, whose folder's name is a digest of everything it was made from.

    Raises:
        BuildError: the GPU is too old, there is no toolkit, or its compiler failed.
    """
    if architecture < OLDEST:
        found, first = (".".join(map(str, capability)) for capability in (architecture, OLDEST))
        raise BuildError(
            f"device kernels: this card has compute capability {found}, they are for {first} and newer"
        )
    tools = tools or toolkit()
    if tools is None:
        raise BuildError("device kernels: no CUDA toolkit; pip install -e '.[cuda13]'")
    target = code_flag(architecture, tools.targets).split()
    command = [str(tools.nvcc), *_FLAGS, *target, *(f"-I{folder}" for folder in tools.include_folders)]
    sources = device_sources()
    digest = hashlib.sha256(repr((tools.release, tools.folder, command, _LIBRARIES)).encode())
    for path in (*sources, *device_headers()):
        digest.update(path.name.encode() + path.read_bytes())
    where = [f"-L{tools.libraries}", f"-Xlinker=-rpath={tools.libraries}", *_LIBRARIES]

    def build(library: Path) -> None:
        objects = [library.with_name(f"{source.stem}.o") for source in sources]
        jobs = [
            [*command, "-c", str(source), "-o", str(piece)]
            for source, piece in zip(sources, objects, strict=True)
        ]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(_run, jobs))
        _run([*command, "-shared", *map(str, objects), "-o", str(library), *where])
        for piece in objects:
            piece.unlink()

    return built_once("device_kernels", digest.hexdigest(), build)


def _run(command: list[str]) -> None:
    # Flags appended for Jittor's operators do not apply here.
    environment = {**os.environ, "NVCC_APPEND_FLAGS": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        output = (done.stdout + done.stderr)[-4000:]
        raise BuildError(f"device kernels: {' '.join(command)} failed:\n{output}")
