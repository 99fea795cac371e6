"""The CUDA toolkit with which tests compile device code."""

import pytest

from pipeline.runtime.cuda import Toolkit, toolkit


def toolkit_13() -> Toolkit:
    """CUDA 13 with the headers of all libraries; the test is skipped if there is none."""
    found = toolkit()
    if found is None or not any((folder / "cublasLt.h").is_file() for folder in found.include_folders):
        pytest.skip("no CUDA toolkit with cuBLASLt's header here: pip install -e '.[cuda13]'")
    if found.version[0] != 13:
        pytest.skip(f"CUDA {found.version[0]}.{found.version[1]} is found first; the test is for 13")
    return found
