"""What is refused in a pickle before anything is made of it."""

import io

import pytest

from pipeline.weights.plain_pickle import PickleRefused, plain_value


def read(content: bytes, **options):
    return plain_value(io.BytesIO(content), {}, lambda name: False, lambda value: value, **options)


def test_texts_of_the_oldest_protocol_are_refused_without_a_warning():
    with pytest.raises(PickleRefused, match="the pickle operation STRING"):
        read(b"S'\\g'\n.")


def test_memory_is_not_allocated_on_the_word_of_the_file():
    # A memo of four billion places, and bytes that are not there: Python's unpickler makes room for both.
    assert read(b"Nr\xff\xff\xff\xff.") is None
    with pytest.raises(PickleRefused, match="damaged pickle"):
        read(b"\x8e" + (2**40).to_bytes(8, "little") + b"short")


def test_its_length_is_bounded():
    content = b"]" + b"Na" * 20 + b"."
    assert read(content) == [None] * 20
    with pytest.raises(PickleRefused, match="a pickle of more than 30 bytes"):
        read(content, most_bytes=30)
