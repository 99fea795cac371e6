import pytest

from pipeline.runtime.cuda import cards
from pipeline.runtime.cuda.cards import NoSuchCard, choose_card
from pipeline.runtime.cuda.driver import Card, Driver

TWO = Driver((13, 0), tuple(Card(index, f"card {index}", (9, 0), 2**36) for index in range(2)))


@pytest.fixture
def visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("HSSL_ENVIRONMENT_BEFORE", raising=False)


@pytest.mark.usefixtures("visible")
@pytest.mark.parametrize(("device", "index"), [("auto", 0), ("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_names_mean_cards(monkeypatch, device, index):
    monkeypatch.setattr(cards, "driver", lambda visible: TWO)
    assert choose_card(device).index == index


@pytest.mark.usefixtures("visible")
def test_an_index_too_high_names_how_many_there_are(monkeypatch):
    monkeypatch.setattr(cards, "driver", lambda visible: TWO)
    with pytest.raises(NoSuchCard, match=r"there are 2 card\(s\), with the indices 0 to 1, not 2$"):
        choose_card("cuda:2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with pytest.raises(NoSuchCard, match=r"CUDA_VISIBLE_DEVICES is '4,7'"):
        choose_card("cuda:2")


@pytest.mark.parametrize(
    ("found", "message"),
    [(None, "no CUDA driver"), (Driver((13, 0), (), "the driver reports CUDA_ERROR_X"), "CUDA_ERROR_X")],
)
def test_no_card_says_why(monkeypatch, found, message):
    monkeypatch.setattr(cards, "driver", lambda visible: found)
    with pytest.raises(NoSuchCard, match=message):
        choose_card("cuda")
