"""Compute the golden numbers with PyTorch and write them: `python -m tests.golden.write [file ...]`."""

import json
import sys

DOCTOR = "doctor"  # the losses that `doit run doctor deep=yes` knows, which lie in the library


def main(files) -> None:
    from pipeline.runtime.start_jittor import start

    start("cpu")
    import numpy
    import torch

    from pipeline.doctor.answers.fixed_training import KNOWN
    from tests.golden.numbers import write_numbers
    from tests.golden.with_torch import FILES, doctor_losses

    versions = {"torch": torch.__version__, "numpy": numpy.__version__}
    for file in files or [*FILES, DOCTOR]:
        if file == DOCTOR:
            text = json.dumps({"written with": versions, "losses": doctor_losses()}, indent=1)
            KNOWN.write_text(f"{text}\n", encoding="utf-8")
            continue
        numbers, cases = FILES[file]
        write_numbers(file, {case: numbers(case) for case in cases}, versions)


if __name__ == "__main__":
    main(sys.argv[1:])
