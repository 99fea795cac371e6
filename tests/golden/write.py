"""Compute the golden numbers with PyTorch and write them: `python -m tests.golden.write [file ...]`."""

import sys


def main(files) -> None:
    from pipeline.runtime.start_jittor import start

    start("cpu")
    import numpy
    import torch

    from tests.golden.numbers import write_numbers
    from tests.golden.with_torch import FILES

    versions = {"torch": torch.__version__, "numpy": numpy.__version__}
    for file in files or FILES:
        numbers, cases = FILES[file]
        write_numbers(file, {case: numbers(case) for case in cases}, versions)


if __name__ == "__main__":
    main(sys.argv[1:])
