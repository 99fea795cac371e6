"""The sides by name. Each imports what it needs when it is made: Jittor and PyTorch never meet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Make = Callable[[dict, Path], Any]


def _start_jittor(parameters: dict) -> None:
    from pipeline.start_jittor import start

    start("cpu", parameters["threads"], say=lambda message: print(message, flush=True))


def _use_torch(parameters: dict) -> None:
    import torch

    torch.set_num_threads(parameters["threads"])


def _our_step(parameters: dict, folder: Path) -> Any:
    _start_jittor(parameters)
    from pipeline.benchmark.our_step import OurStep

    return OurStep(parameters, folder)


def _torch_step(parameters: dict, folder: Path) -> Any:
    _use_torch(parameters)
    from pipeline.benchmark.torch_step import TorchStep

    return TorchStep(parameters, folder)


def _matmul_peak(parameters: dict, folder: Path) -> Any:
    _start_jittor(parameters)
    from pipeline.benchmark.matmul_peak import MatmulPeak

    return MatmulPeak(parameters, folder)


SIDES: dict[str, Make] = {
    "our-step": _our_step,
    "torch-step": _torch_step,
    "matmul-peak": _matmul_peak,
}
