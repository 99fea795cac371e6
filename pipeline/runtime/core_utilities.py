"""Compiles the library of utilities, with which Jittor compiles the rest of its core, once instead of twice.

Jittor compiles it, imports it, and compiles it again with itself, which leaves a record of what it was made
from. The record decides whether it is compiled again at later starts; the folder's name already decides that.
"""

import sys
from collections.abc import Callable
from types import ModuleType


class Utilities:
    """Takes the place of the library, `jittor_utils.cc`, until it is imported.

    Args:
        utils: the module `jittor_utils`.
        make: compiles the library by Jittor's command, if it is missing.
    """

    def __init__(self, utils: ModuleType, make: Callable[[str], None]):
        self._utils, self._make = utils, make

    def cache_compile(self, command: str, cache_path: str, jittor_path: str) -> bool:
        """Make and import the library; called as the function of that name in it.

        Returns:
            False: nothing that is loaded was made again, after which Jittor would ask for a new start.

        Raises:
            ImportError: the library cannot be loaded.
        """
        self._make(command)
        self._utils.cc = None
        with self._utils.import_scope(sys.modules["jittor.compiler"].import_flags):
            self._utils.try_import_jit_utils_core()
        if self._utils.cc is None:
            raise ImportError("Jittor's library of utilities")
        return False
