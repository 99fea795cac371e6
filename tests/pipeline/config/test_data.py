import pytest
from pydantic import ValidationError

from pipeline.config.data import DataConfig


def test_class_names_and_label_values_agree():
    DataConfig(class_names=("a", "b"), label_values=(0, 255), ignored_labels=())
    for section, words in (
        ({"class_names": ("a", "a")}, "class_names must be distinct"),
        ({"label_values": (1, 1)}, "label_values must be distinct"),
        ({"class_names": ("a",), "label_values": (0, 1)}, "equally many, got 1 and 2"),
        ({"label_values": (0, 255), "ignored_labels": (255,)}, r"both hold \[255\]"),
        ({"ignored_labels": (70_000,)}, "less than or equal to 65535"),
        ({"label_values": (-1,)}, "greater than or equal to 0"),
    ):
        with pytest.raises(ValidationError, match=words):
            DataConfig(**section)
