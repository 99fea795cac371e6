"""Finds oneDNN, a library of CPU kernels, among pip's installed files."""

from importlib import metadata
from pathlib import Path

LIBRARY_PACKAGE = "onednn-cpu-gomp"
HEADERS_PACKAGE = "onednn-devel-cpu-gomp"


def onednn_paths() -> tuple[Path, Path] | None:
    """Folder of dnnl.hpp and path of libdnnl.so.2, or None if the wheels are not installed.

    Only version 2: Jittor's operators do not compile against version 3.
    """
    library = _installed_file(LIBRARY_PACKAGE, "libdnnl.so.2")
    header = _installed_file(HEADERS_PACKAGE, "dnnl.hpp")
    if library is None or header is None:
        return None
    return header.parent, library


def _installed_file(package: str, name: str) -> Path | None:
    try:
        recorded = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return None
    # include/oneapi/dnnl holds a second dnnl.hpp; the outer one is what `#include <dnnl.hpp>` means.
    matches = sorted((entry for entry in recorded if entry.name == name), key=lambda entry: len(entry.parts))
    for entry in matches:
        path = Path(entry.locate()).resolve()
        if path.is_file():
            return path
    return None
