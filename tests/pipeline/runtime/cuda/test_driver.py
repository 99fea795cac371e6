"""What the driver is asked, over a driver of a few lines that a compiler makes here."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]

# Two cards, or those that CUDA_VISIBLE_DEVICES names; like the real one, it looks when it is initialised.
DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
static int count, first;
int cuInit(unsigned flags) {
    if (getenv("BROKEN")) return 999;
    const char* visible = getenv("CUDA_VISIBLE_DEVICES");
    count = !visible ? 2 : !*visible ? 0 : visible[1] ? 2 : 1;
    first = visible && *visible ? atoi(visible) : 0;
    return count ? 0 : 100;
}
int cuDriverGetVersion(int* version) { *version = 12040; return 0; }
int cuDeviceGetCount(int* number) { *number = count; return 0; }
int cuDeviceGet(int* device, int index) { *device = first ? first - index : index; return 0; }
int cuDeviceGetName(char* name, int size, int device) { snprintf(name, size, "card %d", device); return 0; }
int cuDeviceTotalMem_v2(size_t* bytes, int device) { *bytes = 24ul << 30; return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? 6 + 3 * device : -1;
    return 0;
}
int cuGetErrorName(int status, const char** name) {
    if (status == 999) return 1;
    *name = "CUDA_ERROR_NO_DEVICE";
    return 0;
}
"""


@pytest.fixture(scope="module")
def drawn_driver(tmp_path_factory) -> Path:
    """Folder of a libcuda.so.1."""
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(DRIVER)
    compiler = shutil.which("gcc") or shutil.which("g++")
    command = [compiler, "-x", "c", "-shared", "-fPIC", "-w", "-o", "libcuda.so.1", "driver.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def run(code: str, driver: Path | None, **variables: str) -> str:
    """Output of a process that finds this driver, or an empty folder in its place."""
    names = ("CUDA_VISIBLE_DEVICES", "HSSL_ENVIRONMENT_BEFORE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"LD_LIBRARY_PATH": str(driver), **variables}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


ASK = """
import dataclasses, json
from pipeline.runtime.cuda.cards import installed_driver
found = installed_driver()
print(json.dumps(found and dataclasses.asdict(found)))
"""


def test_no_driver(tmp_path):
    (tmp_path / "libcuda.so.1").write_text("not a library")  # also hides a driver of this machine
    assert json.loads(run(ASK, tmp_path)) is None


def test_version_and_cards(drawn_driver):
    found = json.loads(run(ASK, drawn_driver))
    assert found["version"] == [12, 4]
    assert [card["name"] for card in found["cards"]] == ["card 0", "card 1"]
    assert [card["index"] for card in found["cards"]] == [0, 1]
    assert [card["capability"] for card in found["cards"]] == [[8, 6], [8, 9]]
    assert found["cards"][0]["memory_bytes"] == 24 * 2**30
    assert found["problem"] == ""


@pytest.mark.parametrize(
    ("variables", "problem"),
    [({"CUDA_VISIBLE_DEVICES": ""}, "CUDA_ERROR_NO_DEVICE"), ({"BROKEN": "1"}, "error 999")],
)
def test_a_driver_without_cards_says_why(drawn_driver, variables, problem):
    found = json.loads(run(ASK, drawn_driver, **variables))
    assert found["cards"] == []
    assert problem in found["problem"]


USE = """
import os, subprocess, sys
from pipeline.runtime.cuda.cards import choose_card, use_card
use_card(choose_card(sys.argv[1]))
card = choose_card(sys.argv[1])
print(os.environ["CUDA_VISIBLE_DEVICES"], card.name, card.index)
if len(sys.argv) > 2:
    subprocess.run([sys.executable, "-c", sys.argv[2], *sys.argv[3:]], check=True)
"""


def use(device: str, driver: Path, *then: str, **variables: str) -> list[str]:
    """(CUDA_VISIBLE_DEVICES, name, index) after a card was chosen, a line for this process and each child."""
    chain = [item for child in then for item in (USE, child)]
    prepare = (
        f"import sys\nsys.stdout.reconfigure(line_buffering=True)\nsys.argv = {['-', device, *chain]!r}\n"
    )
    return run(prepare + USE, driver, **variables).splitlines()


def test_the_chosen_card_alone_stays_visible(drawn_driver):
    assert use("auto", drawn_driver) == ["0 card 0 0"]
    assert use("cuda", drawn_driver) == ["0 card 0 0"]
    assert use("cuda:1", drawn_driver) == ["1 card 1 1"]


def test_an_index_counts_among_the_visible_cards(drawn_driver):
    assert use("cuda:1", drawn_driver, CUDA_VISIBLE_DEVICES="1,0") == ["0 card 0 1"]
    assert use("cuda", drawn_driver, CUDA_VISIBLE_DEVICES="1,0") == ["1 card 1 0"]


def test_a_child_counts_as_its_parent_did(drawn_driver):
    assert use("cuda:1", drawn_driver, "cuda:1") == ["1 card 1 1"] * 2
    assert use("cuda:1", drawn_driver, "cuda") == ["1 card 1 1"] * 2
    assert use("cuda:1", drawn_driver, "cuda:0") == ["1 card 1 1", "0 card 0 0"]
