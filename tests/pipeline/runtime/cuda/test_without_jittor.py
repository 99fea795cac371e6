"""The GPU of a process that does not start Jittor."""

import os
from types import SimpleNamespace

import pytest

from pipeline.runtime.cuda import cards, setup
from pipeline.runtime.cuda.cards import VISIBLE
from pipeline.runtime.cuda.driver import Card, Driver
from pipeline.runtime.cuda.setup import CudaUnavailable
from pipeline.runtime.cuda.without_jittor import take_card

CARDS = tuple(Card(index, "H100", (9, 0), 80 * 2**30) for index in range(2))


@pytest.fixture
def driver(monkeypatch):
    """Call it with the installed driver, or None."""
    for name in (VISIBLE, "HSSL_ENVIRONMENT_BEFORE"):
        monkeypatch.setenv(name, "")  # so that it is as before when the test is over
        monkeypatch.delenv(name)

    def install(found: Driver | None) -> None:
        for module in (cards, setup):
            monkeypatch.setattr(module, "installed_driver", lambda: found)

    return install


def unusable(device, compiler):
    raise CudaUnavailable("no CUDA toolkit")


def test_the_processor_is_taken_where_it_is_wanted_and_where_there_is_nothing_else(driver):
    driver(Driver((13, 0), CARDS))
    assert take_card("cpu", pytest.fail) is None
    driver(None)
    assert take_card("auto", pytest.fail) is None  # nothing is said


def test_a_card_that_is_named_has_to_be_there(driver):
    driver(None)
    with pytest.raises(
        CudaUnavailable, match=r"^device = 'cuda', but no CUDA driver was found .*'auto' runs on"
    ):
        take_card("cuda", pytest.fail)


def test_a_card_that_cannot_be_used_is_said(driver, monkeypatch):
    driver(Driver((13, 0), CARDS))
    monkeypatch.setattr(setup, "set_up", unusable)
    said = []
    assert take_card("auto", said.append) is None
    assert said == ["no CUDA toolkit; running on the CPU"]


def test_only_the_card_that_is_taken_stays_visible(driver, monkeypatch):
    driver(Driver((13, 0), CARDS))
    monkeypatch.setattr(setup, "set_up", lambda device, compiler: SimpleNamespace(card=CARDS[1]))
    assert take_card("cuda:1", pytest.fail).card is CARDS[1]
    assert os.environ[VISIBLE] == "1"
