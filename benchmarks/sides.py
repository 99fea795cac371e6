"""The sides by name. Each imports what it needs when it is made: Jittor and PyTorch never meet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Make = Callable[[dict, Path], Any]


def _start_jittor(parameters: dict) -> None:
    from pipeline.runtime.start_jittor import start

    device, threads = parameters.get("device", "cpu"), parameters["threads"]
    start(device, threads, say=lambda message: print(message, flush=True))


def _use_torch(parameters: dict) -> None:
    import torch

    torch.set_num_threads(parameters["threads"])


def _our_step(parameters: dict, folder: Path) -> Any:
    _start_jittor(parameters)
    from benchmarks.our_step import OurStep

    return OurStep(parameters, folder)


def _torch_step(parameters: dict, folder: Path) -> Any:
    _use_torch(parameters)
    from benchmarks.torch_step import TorchStep

    return TorchStep(parameters, folder)


def _official_step(parameters: dict, folder: Path) -> Any:
    _start_jittor(parameters)
    from benchmarks.official_step import OfficialStep

    return OfficialStep(parameters, folder)


def _our_search(parameters: dict, folder: Path) -> Any:
    from benchmarks.neighbour_sides import OurSearch

    return OurSearch(parameters, folder)


def _sklearn_search(parameters: dict, folder: Path) -> Any:
    from benchmarks.neighbour_sides import SklearnSearch

    return SklearnSearch(parameters, folder)


def _faiss_search(parameters: dict, folder: Path) -> Any:
    from benchmarks.neighbour_sides import FaissSearch

    return FaissSearch(parameters, folder)


def _our_sweep(parameters: dict, folder: Path) -> Any:
    from benchmarks.probe_sides import OurSweep

    return OurSweep(parameters, folder)


def _sweep_by_rate(parameters: dict, folder: Path) -> Any:
    from benchmarks.probe_sides import SweepByRate

    return SweepByRate(parameters, folder)


def _our_loading(parameters: dict, folder: Path) -> Any:
    from benchmarks.loading_sides import OurLoading

    return OurLoading(parameters, folder)


def _pillow_loading(parameters: dict, folder: Path) -> Any:
    from benchmarks.loading_sides import PillowLoading

    return PillowLoading(parameters, folder)


def _torchvision_loading(parameters: dict, folder: Path) -> Any:
    _use_torch({"threads": 1})
    from benchmarks.loading_sides import TorchvisionLoading

    return TorchvisionLoading(parameters, folder)


def _wait_share(parameters: dict, folder: Path) -> Any:
    _start_jittor(parameters)
    from benchmarks.waiting import WaitShare

    return WaitShare(parameters, folder)


def _dense_step(parameters: dict, folder: Path) -> Any:
    _start_jittor(parameters)
    from benchmarks.dense_step import DenseStep

    return DenseStep(parameters, folder)


def _memory_growth(parameters: dict, folder: Path) -> Any:
    _start_jittor(parameters)
    from benchmarks.memory_growth import MemoryGrowth

    return MemoryGrowth(parameters, folder)


def _startup(parameters: dict, folder: Path) -> Any:
    from benchmarks.startup import Startup

    return Startup(parameters, folder)


def _torch_startup(parameters: dict, folder: Path) -> Any:
    from benchmarks.startup import TorchStartup

    return TorchStartup(parameters, folder)


def _idle_graph(parameters: dict, folder: Path) -> Any:
    from benchmarks.idle_graph import IdleGraph

    return IdleGraph(parameters, folder)


def _matmul_peak(parameters: dict, folder: Path) -> Any:
    _start_jittor(parameters)
    from benchmarks.matmul_peak import MatmulPeak

    return MatmulPeak(parameters, folder)


SIDES: dict[str, Make] = {
    "our-step": _our_step,
    "torch-step": _torch_step,
    "official-step": _official_step,
    "our-search": _our_search,
    "sklearn-search": _sklearn_search,
    "faiss-search": _faiss_search,
    "our-sweep": _our_sweep,
    "sweep-by-rate": _sweep_by_rate,
    "our-loading": _our_loading,
    "pillow-loading": _pillow_loading,
    "torchvision-loading": _torchvision_loading,
    "wait-share": _wait_share,
    "dense-step": _dense_step,
    "memory-growth": _memory_growth,
    "our-startup": _startup,
    "torch-startup": _torch_startup,
    "idle-graph": _idle_graph,
    "matmul-peak": _matmul_peak,
}
