"""The order in which files of tests are given to processes that run beside each other."""

from collections import Counter
from collections.abc import Sequence

import pytest

_LONG = ("slow", "counted")  # marks of tests that take minutes


def slow_files_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Files with a slow or a counted test, then the others; of each, those with most tests first.

    A file is run by one process. Minutes of slow tests that start last would leave the other processes idle.
    """
    num_tests = Counter(item.path for item in items)
    slow = {item.path for item in items if any(map(item.get_closest_marker, _LONG))}
    return sorted(items, key=lambda item: (item.path not in slow, -num_tests[item.path], item.path))
