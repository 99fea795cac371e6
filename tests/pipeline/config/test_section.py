"""Types are strict: what TOML holds is the value, or a mistake with its key. And what a stage can read."""

from functools import cached_property
from typing import ClassVar

import pytest
from pydantic import ValidationError

from pipeline.config.experiment import Experiment
from pipeline.config.reading import ConfigError, read_experiment
from pipeline.config.section import Section, readable_values, with_sections


def written(folder, text):
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("[schedule]\nepochs = true", "schedule.epochs", "True"),
        ('[schedule]\nepochs = "1_000"', "schedule.epochs", "'1_000'"),
        ("seeds = [true]", "seeds.0", "True"),
        ('seeds = ["1"]', "seeds.0", "'1'"),
        ("label_shares = [true]", "label_shares.0", "True"),
        ("[schedule]\nbatch_size = 256.0", "schedule.batch_size", "256.0"),
        ('[auxiliary_head]\ndetached = "yes"', "auxiliary_head.detached", "'yes'"),
        ("[auxiliary_head]\ndetached = 1", "auxiliary_head.detached", "1"),
        ("[data]\nsource = 7", "data.source", "7"),
        ("[detection.view]\nshort_sides = [480, true]", "detection.view.short_sides.1", "True"),
        ('[ablate.variants.loose]\ndetached = "yes"', "ablate.variants.loose.detached", "'yes'"),
    ],
)
def test_another_type_is_refused_with_its_key(tmp_path, text, key, found):
    with pytest.raises(ConfigError) as error:
        read_experiment(written(tmp_path, text))
    (line,) = str(error.value).splitlines()[1:]
    assert line.startswith(f"  {key}: Input should be a valid ")
    assert line.endswith(f" (found {found})")


def test_a_whole_number_stands_for_a_float_and_a_list_for_a_tuple(tmp_path):
    text = "seeds = [0, 1]\n[schedule]\nepochs = 3\n[crops]\nglobal_scale = [0.5, 1]\n"
    experiment = read_experiment(written(tmp_path, text))
    assert (experiment.seeds, experiment.schedule.epochs) == ((0, 1), 3.0)
    assert isinstance(experiment.schedule.epochs, float)
    assert experiment.crops.global_scale == (0.5, 1.0)


def test_a_stage_reads_back_what_json_holds_of_a_section():
    experiment = Experiment(name="x", seeds=(0, 1))
    assert Experiment.model_validate(experiment.model_dump(mode="json")) == experiment
    with pytest.raises(ValidationError, match=r"seeds\.1"):
        Experiment.model_validate(experiment.model_dump(mode="json") | {"seeds": [0, "1"]})


def test_a_file_that_starts_with_a_byte_order_mark_is_read(tmp_path):
    assert read_experiment(written(tmp_path, "\ufeffseeds = [3]\n")).seeds == (3,)



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


class Own(Section):
    size: int = 3


class Opening(Section):
    name: str = "e"


class Whole(with_sections(Opening, {"a": Own, "b": Own})):
    last: bool = True


def test_keys_of_a_table_stand_between_those_of_the_classes_around_it():
    assert list(Whole.model_fields) == ["name", "a", "b", "last"]
    assert Whole().model_dump() == {"name": "e", "a": {"size": 3}, "b": {"size": 3}, "last": True}
    assert Whole(b={"size": 5}).b == Own(size=5)
    with pytest.raises(ValidationError, match=r"b\.size\n  Input should be a valid integer"):
        Whole(b={"size": "x"})
    with pytest.raises(ValidationError, match=r"c\n  Extra inputs"):
        Whole(c={})
