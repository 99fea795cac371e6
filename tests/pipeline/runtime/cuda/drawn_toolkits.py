"""Folder trees that look like CUDA toolkits: compilers are scripts, libraries and headers are empty."""

from pathlib import Path

import pytest

from pipeline.runtime.cuda import toolkits

HEADERS = ("cuda_runtime.h", "cublas_v2.h", "curand.h", "crt/host_config.h")
LIBRARIES = ("cudart", "cublas", "cublasLt", "curand")
_TARGETS = {11: (50, 70, 80, 90), 12: (50, 70, 80, 90), 13: (75, 80, 90, 100, 120)}


def draw_nvcc(path: Path, release: str) -> Path:
    """A compiler that answers queries about itself."""
    major, minor, _ = release.split(".")
    targets = " ".join(f"sm_{target}" for target in _TARGETS.get(int(major), (90, 150)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'#!/bin/sh\ncase "$1" in\n'
        f'--version) echo "Cuda compilation tools, release {major}.{minor}, V{release}" ;;\n'
        f'--list-gpu-code) for target in {targets}; do echo "$target"; done ;;\nesac\n'
    )
    path.chmod(0o755)
    return path


def draw_files(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def draw_system(home: Path, release: str, libraries: tuple[str, ...] = LIBRARIES) -> Path:
    """A toolkit as NVIDIA's installer leaves it; returns its folder."""
    major = release.partition(".")[0]
    draw_nvcc(home / "bin" / "nvcc", release)
    cub = "cccl/cub/cub.cuh" if int(major) >= 13 else "cub/cub.cuh"
    draw_files(home / "include", (*HEADERS, cub))
    for name in libraries:
        draw_files(home / "lib64", (f"lib{name}.so.{major}.0.1",))
        (home / "lib64" / f"lib{name}.so.{major}").symlink_to(f"lib{name}.so.{major}.0.1")
        (home / "lib64" / f"lib{name}.so").symlink_to(f"lib{name}.so.{major}")
    return home


def draw_wheels(site: Path, release: str = "13.0.88", libraries: tuple[str, ...] = LIBRARIES) -> Path:
    """The wheels of CUDA 13 in a folder of packages; returns their common folder."""
    home = site / "nvidia" / "cu13"
    draw_nvcc(home / "bin" / "nvcc", release)
    draw_files(home / "include", (*HEADERS, "cccl/cub/cub.cuh"))
    draw_files(home / "nvvm" / "bin", ("cicc",))
    draw_files(home / "lib", tuple(f"lib{name}.so.13" for name in libraries))
    return home


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    """Hide this machine's toolkits, and keep compiled code and links below `tmp_path`."""
    for name in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(toolkits, "_USUAL_HOMES", ())
    monkeypatch.setattr(toolkits, "_VERSIONED_HOMES", tmp_path / "usr-local")
    wheels = tmp_path / "site" / "nvidia"
    monkeypatch.setattr(toolkits, "wheel_roots", lambda: [wheels] if wheels.is_dir() else [])
