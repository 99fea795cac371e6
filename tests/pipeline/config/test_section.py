from functools import cached_property
from typing import ClassVar

from pipeline.config.section import Section, readable_values


class Inner(Section):
    kind: ClassVar[str] = "inner"
    size: int = 2

    @property
    def area(self) -> int:
        return self.size**2


class Outer(Section):
    inner: Inner = Inner()
    several: dict[str, Inner] = {"a": Inner(size=3)}  # noqa: RUF012

    @cached_property
    def pair(self) -> tuple[Inner, int]:
        return self.inner, 7


def test_fields_class_attributes_and_properties_at_any_depth():
    two = {"kind": "inner", "size": 2, "area": 4}
    assert readable_values(Outer()) == {
        "inner": two,
        "several": {"a": {"kind": "inner", "size": 3, "area": 9}},
        "pair": [two, 7],
    }
