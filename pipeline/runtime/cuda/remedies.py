"""Compiler flags with which Jittor 1.3.11 builds with today's CUDA toolkits.

Each remedy was found by compiling Jittor's core, its cuBLAS, cuRAND and CUB modules and its generated kernels
with nvcc 13.0, and parts of them with 12.4. Nothing in Jittor's own folder is changed.
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.runtime.cache import cache_root
from pipeline.storage.files import new_folder

SHIMS = Path(__file__).resolve().parent / "shims"
# The newest architecture that Jittor names in its call of nvcc; it never asks for PTX.
_JITTORS_NEWEST = 90

Version = tuple[int, int]

_SHIMS_FOLDER = "<shims>"  # placeholder in flags
_NEWEST_GCC = (((13, 0), 15), ((12, 8), 14), ((12, 4), 13), ((12, 0), 12), ((0, 0), 11))


@dataclass(frozen=True)
class Remedy:
    """Flags that work around one build failure."""

    reason: str
    cc_flags: str = ""  # for g++ and nvcc
    nvcc_flags: str = ""
    since: Version = (0, 0)  # first CUDA version that it is for

    def is_for(self, version: Version) -> bool:
        """Whether a version of CUDA needs this remedy."""
        return version >= self.since


_REMEDIES = (
    Remedy(
        reason=(
            "misc/cuda_limits.h includes npp.h for a few numbers, and wheels bring no NPP; CUB 3 lacks "
            "cub::Max and two iterators that Jittor's softmax and `where` name; cuDNN 9 lacks the recurrent "
            "networks' old functions. The folder holds headers of these names, with the real ones in them"
        ),
        cc_flags=f'-I"{_SHIMS_FOLDER}"',
    ),
    Remedy(
        reason=(
            "CUDA 13 dropped two members of cudaDeviceProp. helper_cuda.h reads them in functions that "
            "nobody calls; any other int member lets it compile"
        ),
        cc_flags="-DcomputeMode=major -DclockRate=major",
        since=(13, 0),
    ),
    Remedy(
        reason="CUB 3 and Thrust refuse C++14, which Jittor asks for; of several -std the last one counts",
        nvcc_flags="-std=c++17",
        since=(13, 0),
    ),
)


def remedies(version: Version) -> tuple[Remedy, ...]:
    """The remedies that a version of CUDA needs."""
    return tuple(remedy for remedy in _REMEDIES if remedy.is_for(version))


def flags(
    version: Version,
    capability: tuple[int, int],
    targets: tuple[int, ...],
    gcc: int | None = None,
    *,
    shims: Path = SHIMS,
) -> tuple[str, str]:
    """Flags for both compilers (Jittor's `cc_flags`), and flags for nvcc alone.

    Args:
        version: CUDA version.
        capability: compute capability of the GPU.
        targets: architectures that nvcc compiles for, 90 for sm_90; () if it does not list them.
        gcc: major version of the C++ compiler; None if unknown.
        shims: folder of the shim headers.
    """
    chosen = remedies(version)
    cc_flags = [remedy.cc_flags.replace(_SHIMS_FOLDER, str(shims)) for remedy in chosen]
    nvcc_flags = [remedy.nvcc_flags for remedy in chosen]
    if gcc is not None and gcc > newest_gcc(version):
        nvcc_flags.append("-allow-unsupported-compiler")  # nvcc would refuse a GCC that it does not know
    nvcc_flags.append(architecture_flag(capability, targets))
    return " ".join(filter(None, cc_flags)), " ".join(filter(None, nvcc_flags))


def newest_gcc(version: Version) -> int:
    """Major version of the newest GCC that a CUDA version supports, from its installation guide."""
    return next(gcc for since, gcc in _NEWEST_GCC if version >= since)


def architecture_flag(capability: tuple[int, int], targets: tuple[int, ...]) -> str:
    """The flag that a GPU needs in addition to Jittor's own -arch and -code; empty if it needs none."""
    return "" if 10 * capability[0] + capability[1] <= _JITTORS_NEWEST else code_flag(capability, targets)


def code_flag(capability: tuple[int, int], targets: tuple[int, ...]) -> str:
    """nvcc's flag to compile for a GPU.

    A GPU runs code for its own compute capability and for lower ones of the same major version. For a GPU
    newer than nvcc the flag asks for PTX, which the driver compiles at load time.
    """
    number = 10 * capability[0] + capability[1]
    same_family = [target for target in targets if target // 10 == capability[0] and target <= number]
    if same_family or not targets:
        target = max(same_family, default=number)
        return f"-gencode arch=compute_{target},code=sm_{target}"
    newest = max((target for target in targets if target <= number), default=_JITTORS_NEWEST)
    return f"-gencode arch=compute_{newest},code=compute_{newest}"


def compiles_for(capability: tuple[int, int], targets: tuple[int, ...]) -> bool:
    """Whether nvcc can generate code, PTX included, that the GPU can run."""
    number = 10 * capability[0] + capability[1]
    return not targets or min(targets) <= number


def kept_shims() -> Path:
    """A copy of the shim headers in the cache, so that all copies of the project share the compiled code.

    Raises:
        OSError: there is no usable cache folder.
    """
    folder = cache_root() / "cuda" / f"shims-{shims_digest()}"
    if not folder.is_dir():
        with new_folder(folder) as partial:
            shutil.copytree(SHIMS, partial, dirs_exist_ok=True)
    return folder


def shims_digest() -> str:
    """Digest of the shim headers: when it changes, everything is compiled again."""
    digest = hashlib.sha256()
    for path in sorted(path for path in SHIMS.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(SHIMS)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]
