"""Measures the time to the first matrix product with everything compiled: of Jittor and of PyTorch."""

import os
import subprocess
import sys
import time
from pathlib import Path

OURS = (
    "from pipeline.runtime.start_jittor import start; start('cpu', {threads}); import jittor; "
    "x = jittor.ones((8, 8)); print(jittor.matmul(x, x).sum().item())"
)
TORCH = "import torch; x = torch.ones(8, 8); print((x @ x).sum().item())"


class Startup:
    """A repeat returns the seconds of a new process that starts Jittor as stages do."""

    program = OURS

    def __init__(self, parameters: dict, folder: Path):
        self.command = [sys.executable, "-c", self.program.format(threads=parameters["threads"])]
        self.check = {"sum of a product of ones": self._run()}
        self._run()

    def repeat(self) -> float:
        started = time.perf_counter()
        self._run()
        return time.perf_counter() - started

    def _run(self) -> float:
        done = subprocess.run(self.command, env=os.environ, capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])


class TorchStartup(Startup):
    """A repeat returns the seconds of a new process that imports PyTorch."""

    program = TORCH
