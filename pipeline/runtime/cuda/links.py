"""A CUDA toolkit in the layout that Jittor needs: a folder of links with `bin/nvcc`, `include` and `lib64`.

Wheels have `libcublas.so.13` but no `libcublas.so`, and a system toolkit may take its cuBLAS from wheels.
The folder's name is a digest of what it links to, so an existing folder never changes.
"""

import hashlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from pipeline.runtime.cache import cache_root
from pipeline.runtime.cuda.toolkits import FoundToolkit, cudnn_major
from pipeline.storage.files import new_folder

# Its headers need no link: every compiler searches it, and linking them would change the search order.
_SYSTEM_HEADERS = Path("/usr/include")
# Names of cuDNN 8's libraries, which Jittor loads, and cuDNN 9's libraries with the same functions.
_CUDNN_8_NAMES = {
    f"libcudnn_{part}_{kind}.so": f"libcudnn_{part}.so.9"
    for part in ("ops", "cnn")
    for kind in ("infer", "train")
}
_SCRIPT = '#!/bin/sh\n# A link would be followed out of this folder.\nexec {nvcc} "$@"\n'


@dataclass(frozen=True)
class Toolkit:
    """A complete toolkit, ready to compile and link with."""

    nvcc: Path
    version: tuple[int, int]  # (13, 0)
    include_folders: tuple[Path, ...]
    libraries: Path  # folder of libcudart.so, libcublas.so, libcublasLt.so, libcurand.so, also as lib*.so.<n>
    release: str  # "13.0.88"; compiled files depend on this and `folder` only
    folder: Path
    targets: tuple[int, ...]  # 90 for sm_90: what nvcc compiles for
    cudnn: int | None  # major version of cuDNN


def linked(found: FoundToolkit) -> Toolkit:
    """The toolkit as a folder of links, made if it is missing; several processes may call this at once.

    Raises:
        OSError: there is no usable cache folder.
    """
    links = _links(found)
    script = _SCRIPT.format(nvcc=shlex.quote(str(found.nvcc)))
    parts = (script, found.release, [_identity(*pair) for pair in links.items()])
    folder = cache_root() / "cuda" / hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    if not folder.is_dir():
        _make(folder, links, script)
    return Toolkit(
        nvcc=folder / "bin" / "nvcc",
        version=found.version,
        include_folders=(folder / "include",),
        libraries=folder / "lib64",
        release=found.release,
        folder=folder,
        targets=found.targets,
        cudnn=cudnn_major(found),
    )


def _links(found: FoundToolkit) -> dict[str, Path]:
    """The links to make: path in the folder -> target."""
    links: dict[str, Path] = {}
    for headers in found.headers:
        if headers != _SYSTEM_HEADERS:
            for name in sorted(os.listdir(headers)):
                if name != "__init__.py":
                    links.setdefault(f"include/{name}", headers / name)
    for library in found.libraries:
        links.setdefault(f"lib64/{library.name}", library)
    for name in [name for name in links if name.startswith("lib64/")]:
        # The linker looks for libcublas.so, the linked program for libcublas.so.13.
        links.setdefault(re.sub(r"\.so[.\d]*$", ".so", name), links[name])
    for old, new in _CUDNN_8_NAMES.items():
        if f"lib64/{new}" in links:
            links.setdefault(f"lib64/{old}", links[f"lib64/{new}"])
    return links


def _identity(link: str, target: Path) -> tuple:
    """Changes when the target file is replaced, for example by an upgraded wheel."""
    found = target.stat()
    if link.startswith("lib64/"):
        return link, str(target.resolve()), found.st_size, found.st_mtime_ns
    return link, str(target)


def _make(folder: Path, links: dict[str, Path], script: str) -> None:
    with new_folder(folder) as partial:
        for below in ("bin", "include", "lib64"):
            (partial / below).mkdir(mode=0o700)
        for name, target in links.items():
            (partial / name).symlink_to(target)
        (partial / "bin" / "nvcc").write_text(script)
        (partial / "bin" / "nvcc").chmod(0o700)
