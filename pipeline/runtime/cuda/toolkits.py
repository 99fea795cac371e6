"""Finds CUDA toolkits: the system's, and the wheels that `pip install -e '.[cuda13]'` installs."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

OLDEST, NEWEST_MAJOR = (11, 8), 13  # the oldest version tried, and the newest that the remedies cover
WHEELS_REMEDY = "pip install -e '.[cuda13]'"
NEEDED_LIBRARIES = ("cudart", "cublas", "cublasLt", "curand")
_OTHER_LIBRARIES = ("cudnn", "nvrtc")  # cuDNN compiles some of its kernels with NVRTC
_NEEDED_HEADERS = ("cuda_runtime.h", "cublas_v2.h", "curand.h")
_ARCHIVES = ("libcudadevrt.a", "libcudart_static.a")  # nvcc always links with them
_USUAL_HOMES = ("/usr/local/cuda", "/opt/cuda")
_VERSIONED_HOMES = Path("/usr/local")  # cuda-12.4 and others


@dataclass(frozen=True)
class FoundToolkit:
    """The parts of one toolkit, which may lie in different folders."""

    nvcc: Path
    version: tuple[int, int]
    release: str  # such as "13.0.88"
    source: Literal["system", "wheels"]
    headers: tuple[Path, ...]  # folders, in search order
    libraries: tuple[Path, ...]  # shared libraries under all their names, and archives
    targets: tuple[int, ...]  # architectures that nvcc compiles for, 90 for sm_90; () if it lists none
    missing: tuple[str, ...]  # headers and libraries that Jittor needs and that were not found

    @property
    def name(self) -> str:
        """The toolkit's name in messages, such as "CUDA 13.0 (wheels)"."""
        return f"CUDA {self.version[0]}.{self.version[1]} ({self.source})"

    def library(self, name: str) -> Path | None:
        """File of a library ("cublas" is libcublas.so*); None if it was not found."""
        pattern = re.compile(rf"lib{name}\.so(\.[0-9.]+)?")
        return next((path for path in self.libraries if pattern.fullmatch(path.name)), None)


def find_toolkits() -> list[FoundToolkit]:
    """Every installed toolkit, complete or not; the system's come before the wheels."""
    roots = wheel_roots()
    found = [_toolkit(nvcc, "system", roots) for nvcc in _system_nvccs()]
    found += [_toolkit(root / "cu13" / "bin" / "nvcc", "wheels", roots) for root in roots]
    return [toolkit for toolkit in found if toolkit is not None]


def wheel_roots() -> list[Path]:
    """The `nvidia` folders of the installed wheels, in the order of the interpreter's search path."""
    folders = [Path(entry or ".").absolute() / "nvidia" for entry in sys.path]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def parse_version(text: str) -> tuple[tuple[int, int], str] | None:
    """((13, 0), "13.0.88") from the output of `nvcc --version`; None if the text is something else."""
    found = re.search(r"release (\d+)\.(\d+), V([\d.]+)", text)
    return ((int(found[1]), int(found[2])), found[3]) if found else None


def cudnn_major(toolkit: FoundToolkit) -> int | None:
    """Major version of a toolkit's cuDNN, from its library's name; None without the library or its header."""
    names = (re.fullmatch(r"libcudnn\.so\.(\d+)", path.name) for path in toolkit.libraries)
    majors = [int(name[1]) for name in names if name]
    has_header = any((folder / "cudnn.h").is_file() for folder in toolkit.headers)
    return majors[0] if majors and has_header else None


def _system_nvccs() -> list[Path]:
    """nvcc as environment variables name it, then on PATH, then in the usual folders, newest first."""
    named = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH")]
    versions = sorted(_VERSIONED_HOMES.glob("cuda-*"), key=_version_in_name, reverse=True)
    candidates = [home and Path(home) / "bin" / "nvcc" for home in named]
    candidates += [
        shutil.which("nvcc"),
        *(Path(home) / "bin" / "nvcc" for home in (*_USUAL_HOMES, *versions)),
    ]
    wheels = [root.resolve() for root in wheel_roots()]
    kept: dict[Path, Path] = {}
    for candidate in map(Path, filter(None, candidates)):
        real = candidate.resolve()
        # A wheel's folder may be on PATH; that does not make it a system toolkit.
        if real.is_file() and not any(real.is_relative_to(root) for root in wheels):
            kept.setdefault(real, candidate)
    return list(kept.values())


def _version_in_name(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.name)]


def _toolkit(nvcc: Path, source: Literal["system", "wheels"], roots: list[Path]) -> FoundToolkit | None:
    """The toolkit that a compiler belongs to; None if the compiler does not run."""
    found = parse_version(_output(nvcc, _stamp(nvcc), "--version"))
    if found is None:
        return None
    version, release = found
    # An installer may link a wheel's files from its store: the parts lie together only where the links are.
    home = nvcc.parent.parent if source == "wheels" else _home(nvcc)
    wheels = _wheel_folders(roots, version[0])
    headers = [home / "include", home / "targets" / "x86_64-linux" / "include"]
    folders = [home / "lib64", home / "targets" / "x86_64-linux" / "lib", home / "lib"]
    if home == Path("/usr"):  # a distribution's package; every compiler searches its header folder
        folders = [Path("/usr/lib/x86_64-linux-gnu")]
    own = [folder for folder in dict.fromkeys(headers) if folder.is_dir()]
    added = [wheel / "include" for wheel in wheels if (wheel / "include").is_dir()]
    if not _holds_cub(own):  # nvcc searches only its own folder `cccl`
        added += [folder / "cccl" for folder in added if (folder / "cccl").is_dir()]
    headers = list(dict.fromkeys([*own, *added]))
    folders = list(dict.fromkeys([*folders, *(wheel / "lib" for wheel in wheels)]))
    libraries = [path for name in (*NEEDED_LIBRARIES, *_OTHER_LIBRARIES) for path in _files(folders, name)]
    for name in _ARCHIVES:
        libraries += [folder / name for folder in folders if (folder / name).is_file()][:1]
    listed = re.findall(r"\bsm_(\d+)\b", _output(nvcc, _stamp(nvcc), "--list-gpu-code"))
    missing = _missing(headers, libraries)
    if source == "wheels":  # wheels are installed one by one: parts of the compiler may be missing
        parts = {"crt/host_config.h (nvidia-cuda-crt)": home / "include" / "crt" / "host_config.h"}
        parts["nvvm/bin/cicc (nvidia-nvvm)"] = home / "nvvm" / "bin" / "cicc"
        missing += [name for name, path in parts.items() if not path.is_file()]
    return FoundToolkit(
        nvcc=nvcc,
        version=version,
        release=release,
        source=source,
        headers=tuple(headers),
        libraries=tuple(libraries),
        targets=tuple(sorted(map(int, listed))),
        missing=tuple(missing),
    )


def _missing(headers: list[Path], libraries: list[Path]) -> list[str]:
    """Headers and libraries that Jittor needs but that were not found."""
    stems = {path.name.partition(".")[0] for path in libraries}
    missing = [f"lib{name}" for name in NEEDED_LIBRARIES if f"lib{name}" not in stems]
    missing += [name for name in _NEEDED_HEADERS if not any((folder / name).is_file() for folder in headers)]
    return missing if _holds_cub(headers) else [*missing, "cub/cub.cuh"]


def _holds_cub(headers: list[Path]) -> bool:
    candidates = [folder / below / "cub.cuh" for folder in headers for below in ("cub", "cccl/cub")]
    return any(path.is_file() for path in candidates)


def _home(nvcc: Path) -> Path:
    """The toolkit's folder; if `nvcc` is a script, the folder of the compiler that it runs."""
    beside = nvcc.resolve().parent.parent
    if (beside / "include" / "cuda_runtime.h").is_file():
        return beside
    dry_run = _output(nvcc, _stamp(nvcc), "--dryrun", "-x", "cu", "/dev/null")
    top = re.search(r"^#\$ TOP=(.+)$", dry_run, re.MULTILINE)
    return Path(os.path.normpath(top[1])) if top else beside


def _wheel_folders(roots: list[Path], major: int) -> list[Path]:
    """Folders of the wheels for this major version, each with `lib` and perhaps `include`."""
    if major >= 13:
        folders = [root / name for root in roots for name in (f"cu{major}", "cudnn")]
        return [folder for folder in folders if folder.is_dir()]
    parts = ("cuda_runtime", "cublas", "curand", "cudnn")
    return [root / part for root in roots for part in parts if _is_of(root / part, major)]


def _is_of(folder: Path, major: int) -> bool:
    """Whether a wheel's folder is for this major version, 11 or 12; both use the same folder names."""
    libraries = {"cuda_runtime": "libcudart.so", "cublas": "libcublas.so"}
    name = libraries.get(folder.name)
    if name is None:
        return _is_of(folder.parent / "cublas", major)
    return any((folder / "lib").glob(f"{name}.{major}*"))


def _files(folders: list[Path], name: str) -> list[Path]:
    """All files of a library, and of its parts (libcudnn_ops), from the first folder that has it."""
    parts = {"cudnn": "(_[a-z_]+)?", "nvrtc": "(-builtins)?"}.get(name, "")
    pattern = re.compile(rf"lib{name}{parts}\.so(\.\d+)*")
    for folder in folders:
        names = os.listdir(folder) if folder.is_dir() else []
        found = sorted(folder / entry for entry in names if pattern.fullmatch(entry))
        if any(path.name.startswith(f"lib{name}.so") and path.is_file() for path in found):
            return [path for path in found if path.is_file()]
    return []


def _stamp(nvcc: Path) -> float:
    try:
        return nvcc.stat().st_mtime
    except OSError:
        return 0.0


@cache
def _output(nvcc: Path, stamp: float, *arguments: str) -> str:
    # `stamp` is an argument only for the cache: the compiler may have been replaced.
    try:
        command = [nvcc, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
