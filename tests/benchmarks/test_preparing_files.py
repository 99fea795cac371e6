"""What is prepared in the measurement of preparing."""

import csv

from benchmarks.programs import PROGRAMS


def test_every_file_is_an_image_of_its_own_and_nothing_is_stored(tmp_path):
    program = PROGRAMS["preparing"].load({"images": 240, "workers": 1}, tmp_path)
    assert program.repeat() > 0
    assert program.report()["processor_seconds_with_workers"] > 0
    prepared = tmp_path / "prepared-0"
    with open(prepared / "manifest.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 240
    assert not (prepared / "pixels.bin").exists()
    files = [*(tmp_path / "images").glob("*/*.jpg")]
    assert len({path.read_bytes() for path in files}) == 240
