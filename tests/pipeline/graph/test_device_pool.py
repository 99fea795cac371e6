"""Cards are names here: nothing computes on them."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.graph import device_pool
from pipeline.graph.device_pool import cards_taken, cards_to_share, lock_path

ROOT = Path(__file__).resolve().parents[3]
# Takes a card, starts a process that keeps its descriptor, says so, and waits to be killed.
TAKER = """
import subprocess, sys, time
from pathlib import Path
from pipeline.graph.device_pool import cards_taken
with cards_taken(1, [0], Path(sys.argv[1]), "taker", print) as taken:
    stage = subprocess.Popen(["sleep", "60"], pass_fds=taken.values())
    print(stage.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def short_looks(monkeypatch):
    monkeypatch.setattr(device_pool, "_LOOK_SECONDS", 0.01)


def test_every_card_is_taken_once_and_who_waits_is_told_by_whom(tmp_path):
    messages = []
    with cards_taken(1, [0, 1], tmp_path, "pretrain a", messages.append) as first:
        with cards_taken(1, [0, 1], tmp_path, "pretrain b", messages.append) as second:
            assert (list(first), list(second)) == ([0], [1])
            assert not messages
            third = []

            def wait():
                with cards_taken(1, [0, 1], tmp_path, "pretrain c", messages.append) as taken:
                    third.extend(taken)

            thread = threading.Thread(target=wait)
            thread.start()
            while not messages:
                time.sleep(0.01)
            assert not third
        thread.join(20)
    assert third == [1]
    process = f"process {os.getpid()}"
    expected = f"waiting for a card: cuda:0 by pretrain a, {process}; cuda:1 by pretrain b, {process}"
    assert messages == [expected]


def test_ranks_take_all_their_cards_or_hold_none_while_they_wait(tmp_path):
    """Two stages that each held one of two cards would wait for one another for ever."""
    messages, both = [], []

    def wait():
        with cards_taken(2, [0, 1], tmp_path, "pretrain on ranks", messages.append) as taken:
            both.extend(taken)

    with cards_taken(1, [1], tmp_path, "one", messages.append):
        thread = threading.Thread(target=wait)
        thread.start()
        while not messages:
            time.sleep(0.01)
        with cards_taken(1, [0], tmp_path, "another", messages.append) as free:
            assert list(free) == [0]
        assert not both
    thread.join(20)
    assert both == [0, 1]
    assert messages[0] == f"waiting for 2 cards: cuda:1 by one, process {os.getpid()}"


def test_a_card_stays_taken_while_the_stage_of_a_killed_process_runs(tmp_path):
    command = [sys.executable, "-c", TAKER, str(tmp_path)]
    taker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with taker.stdout as messages:
        stage = int(messages.readline())
    try:
        taker.kill()
        taker.wait()
        taken = threading.Event()

        def take():
            with cards_taken(1, [0], tmp_path, "next", lambda text: None):
                taken.set()

        thread = threading.Thread(target=take)
        thread.start()
        assert not taken.wait(0.5)
    finally:
        os.kill(stage, 9)
    assert taken.wait(20)
    thread.join()


def test_a_card_is_the_same_whatever_else_is_visible(tmp_path, monkeypatch):
    monkeypatch.delenv("HSSL_ENVIRONMENT_BEFORE", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    by_index = lock_path(tmp_path, 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    assert lock_path(tmp_path, 0) == by_index


def test_a_card_that_is_not_there_is_named(monkeypatch):
    monkeypatch.delenv("HSSL_ENVIRONMENT_BEFORE", raising=False)
    monkeypatch.setattr(device_pool, "installed_driver", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert cards_to_share(["cuda:1", "cuda:0"]) == (1, 0)
    assert cards_to_share([]) == ()
    with pytest.raises(ValueError, match=r"cuda:2 does not exist here, there are 2 card\(s\)"):
        cards_to_share(["cuda:2"])
