"""Which toolkit a driver and a card get, and what is said where none fits."""

import shutil
from pathlib import Path

import pytest

from pipeline.runtime.cuda import cards, setup
from pipeline.runtime.cuda.driver import Card, Driver
from pipeline.runtime.cuda.setup import CudaUnavailable, best_toolkit, set_up, why_none
from pipeline.runtime.cuda.toolkits import find_toolkits
from tests.pipeline.runtime.cuda.drawn_toolkits import draw_system, draw_wheels

HOPPER = Card(0, "H100", (9, 0), 80 * 2**30)
VOLTA = Card(0, "V100", (7, 0), 32 * 2**30)
BLACKWELL = Card(0, "RTX 5090", (12, 0), 32 * 2**30)

pytestmark = pytest.mark.usefixtures("nothing_installed")


@pytest.fixture
def draw(tmp_path):
    def draw(*releases: str, wheels: bool = False) -> None:
        for release in releases:
            draw_system(tmp_path / "usr-local" / f"cuda-{release}", release)
        if wheels:
            draw_wheels(tmp_path / "site")

    return draw


def chosen(card: Card, version: tuple[int, int]) -> str | None:
    found = best_toolkit(find_toolkits(), Driver(version, (card,)), card)
    return found and found.name


def refusal(card: Card, version: tuple[int, int]) -> str:
    assert chosen(card, version) is None
    return str(why_none(find_toolkits(), Driver(version, (card,)), card))


def test_the_system_is_preferred(draw):
    draw("12.4.131", wheels=True)
    assert chosen(HOPPER, (13, 0)) == "CUDA 12.4 (system)"


def test_wheels_take_the_place_of_one_that_is_too_old(draw):
    draw("11.2.152", wheels=True)
    assert chosen(HOPPER, (13, 0)) == "CUDA 13.0 (wheels)"


def test_an_older_driver_gets_an_older_toolkit(draw):
    draw("12.4.131", "13.0.88")
    assert chosen(HOPPER, (13, 0)) == "CUDA 13.0 (system)"
    assert chosen(HOPPER, (12, 2)) == "CUDA 12.4 (system)"  # the same major version will do


def test_an_older_card_gets_an_older_toolkit(draw):
    draw("12.4.131", "13.0.88")
    assert chosen(VOLTA, (13, 0)) == "CUDA 12.4 (system)"


def test_an_unknown_version_is_the_last_choice(draw):
    draw("14.1.3")
    assert chosen(HOPPER, (14, 1)) == "CUDA 14.1 (system)"
    draw("12.4.131")
    assert chosen(HOPPER, (14, 1)) == "CUDA 12.4 (system)"


def test_refusals_name_a_remedy(draw, tmp_path):
    assert "pip install -e '.[cuda13]'" in refusal(HOPPER, (13, 0))
    draw(wheels=True)
    assert "serves CUDA 12.4 at most, too old for CUDA 13.0 (wheels); update" in refusal(HOPPER, (12, 4))
    assert "no longer compiles for sm_70 (V100); install a CUDA 12 toolkit" in refusal(VOLTA, (13, 0))
    (tmp_path / "site" / "nvidia" / "cu13" / "nvvm" / "bin" / "cicc").unlink()
    assert "lacks nvvm/bin/cicc (nvidia-nvvm); pip install" in refusal(HOPPER, (13, 0))


def test_a_setup_holds_all_that_what_is_compiled_depends_on(draw, monkeypatch):
    draw(wheels=True)
    identities = []
    for card in (HOPPER, BLACKWELL):
        monkeypatch.setattr(cards, "driver", lambda visible, card=card: Driver((13, 0), (card,)))
        found = set_up("cuda")
        assert found.card == card
        assert "-std=c++17" in found.nvcc_flags
        assert ("code=sm_120" in found.nvcc_flags) == (card is BLACKWELL)
        identities.append(found.identity)
    monkeypatch.setattr(setup.remedies, "shims_digest", lambda: "another")
    identities.append(set_up("cuda").identity)
    assert len(set(map(repr, identities))) == 3


def test_another_copy_of_the_project_finds_what_one_has_compiled(draw, monkeypatch, tmp_path):
    draw(wheels=True)
    monkeypatch.setattr(cards, "driver", lambda visible: Driver((13, 0), (HOPPER,)))
    before = set_up("cuda")
    other = tmp_path / "clone" / "shims"
    shutil.copytree(setup.remedies.SHIMS, other)
    monkeypatch.setattr(setup.remedies, "SHIMS", other)
    assert set_up("cuda").identity == before.identity
    assert str(tmp_path / "clone") not in before.cc_flags
    folder = Path(before.cc_flags.split('"')[1])
    assert (folder / "npp.h").read_text() == (other / "npp.h").read_text()


def test_a_setup_without_toolkit_is_refused(monkeypatch):
    monkeypatch.setattr(cards, "driver", lambda visible: Driver((13, 0), (HOPPER,)))
    with pytest.raises(CudaUnavailable, match=r"no CUDA toolkit .*cuda13"):
        set_up("cuda")
