"""A process that computes takes signals, as the warning before a job's time is over, and computes on."""

import subprocess
import sys

import pytest

# Signals come from outside: within, they would wait for the end of a product, which holds the interpreter.
PROGRAM = """
import os, signal, time
from pipeline.runtime.start_jittor import start
start("cpu", 1)
import jittor as jt
import numpy as np

rng = np.random.default_rng(0)
a, b = (rng.normal(size=size).astype(np.float32) for size in ((520, 192), (192, 576)))
left, right = jt.array(a), jt.array(b)
first = jt.matmul(left, right).numpy()
assert np.abs(first - a @ b).max() < 1e-3
heard = 0
def hear(number, frame):
    global heard
    heard += 1
signal.signal(signal.SIGUSR2, hear)
parent = os.getpid()
if os.fork() == 0:
    while os.getppid() == parent:
        time.sleep(0.001)
        os.kill(parent, signal.SIGUSR2)
    os._exit(0)
while heard < 100:
    assert np.array_equal(jt.matmul(left, right).numpy(), first)
print("heard", heard, flush=True)
os._exit(0)
"""


@pytest.mark.slow  # a process that starts Jittor
def test_signals_do_not_disturb_a_matrix_product(jt):
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "heard" in done.stdout
