"""Measures one program of the benchmark in processor seconds, for a machine that is busy otherwise.

python -m benchmarks.processor_time shard-list images=1280000
python -m benchmarks.processor_time disk-sweep images=200000 channels=384 classes=100 epochs=1 repeats=2
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.programs import PROGRAMS
from benchmarks.resident import reset_peak, resident_mib


def main(name: str, options: dict[str, str]) -> None:
    """Print processor and wall-clock time of every repeat, the peak memory, and the program's report."""
    if name not in PROGRAMS:
        raise SystemExit(f"{name}: no such program; there are {', '.join(PROGRAMS)}")
    repeats = int(options.pop("repeats", "1"))
    numbers = {key: int(value) if value.isdecimal() else value for key, value in options.items()}
    with tempfile.TemporaryDirectory(prefix="hssl-benchmark-") as folder:
        program = PROGRAMS[name].load({"threads": 1} | numbers, Path(folder))
        held = resident_mib()
        reset_peak()
        for repeat in range(repeats):
            worked = time.process_time()
            clock = program.repeat()
            worked = time.process_time() - worked
            print(f"{repeat + 1}: {worked:.3f} s of the processor, {clock:.3f} s by the clock", flush=True)
        print(f"memory: {held:.0f} MiB before, at most {resident_mib('VmHWM'):.0f} MiB meanwhile")
        if hasattr(program, "report"):
            print(json.dumps(program.report()))


if __name__ == "__main__":
    if len(sys.argv) < 2 or not all("=" in argument for argument in sys.argv[2:]):
        raise SystemExit("usage: python -m benchmarks.processor_time PROGRAM [key=value ...]")
    main(sys.argv[1], dict(argument.split("=", 1) for argument in sys.argv[2:]))
