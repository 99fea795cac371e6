"""The core looks for compiled operators every millisecond; its source is edited before it is compiled."""

from importlib import util
from pathlib import Path

from pipeline.runtime.core_parts import joined_text
from pipeline.runtime.core_sources import parsed
from pipeline.runtime.core_waiting import with_short_pauses

SOURCE = Path(util.find_spec("jittor").origin).parent / "src" / "parallel_compiler.cc"


def test_only_the_longest_pause_of_jittors_own_source_changes():
    before = SOURCE.read_text()
    first, *after = with_short_pauses(before, SOURCE).splitlines()
    assert first == f'#line 1 "{SOURCE}"'
    changed = [pair for pair in zip(before.splitlines(), after, strict=True) if pair[0] != pair[1]]
    ((old, new),) = changed
    assert old.replace("1000000", "1000") == new
    assert new.lstrip().startswith("sleep_us = std::min(sleep_us*2, 1000);")


def test_it_is_compiled_with_it_alone_or_joined(tmp_path):
    other = tmp_path / "a.cc"
    other.write_text("int a;\n")
    sources = [parsed(f'g++ "{path}" -O2 -c -o x.o') for path in (SOURCE, other)]
    assert [source.is_edited for source in sources] == [True, False]
    text = joined_text(sources)
    assert "sleep_us*2, 1000);" in text
    assert f'#include "{other}"' in text
    assert f'#include "{SOURCE}"' not in text


def test_other_sources_and_versions_stay_as_they_are():
    assert with_short_pauses("sleep_us = std::min(sleep_us*2, 1000000);", Path("executor.cc")) is None
    assert with_short_pauses("wait();", SOURCE) is None
