import json
import time

import pytest

from pipeline.storage import foreign_json
from pipeline.storage.foreign_json import MOST_LEVELS, parse_json


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, {"b": "]]]] \" [[[["}], "c": None},
        [[["[" * 500]]],
        {"text": "\\"},
        "[" * 500,
        [],
    ],
)
def test_json_is_read_whatever_its_texts_hold(value):
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_the_levels_are_counted_and_bounded(opening, closing):
    allowed = opening * MOST_LEVELS + "1" + closing * MOST_LEVELS
    assert parse_json(allowed)
    with pytest.raises(ValueError, match=f"at most {MOST_LEVELS} levels, found {MOST_LEVELS + 1} within"):
        parse_json(opening + allowed + closing)


def test_many_side_by_side_are_no_levels():
    assert len(parse_json(json.dumps([[1]] * 1000))) == 1000


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError, match="Expecting"):
        parse_json("[1,")


def test_the_bytes_are_bounded(monkeypatch):
    monkeypatch.setattr(foreign_json, "MOST_BYTES", 10)
    assert parse_json('"12345678"') == "12345678"
    with pytest.raises(ValueError, match="expected at most 10 bytes, found 11"):
        parse_json('"123456789"')


def test_a_text_without_an_end_takes_no_time_of_its_length_squared():
    started = time.process_time()
    with pytest.raises(ValueError, match="Unterminated string"):
        parse_json('"' + '\\"' * 100_000)
    assert time.process_time() - started < 5, "0.01 s on an idle machine"
