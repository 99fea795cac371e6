"""Jittor's library of utilities is made once, then imported."""

import contextlib
import sys
import types

import pytest

from pipeline.runtime.core_utilities import Utilities


@pytest.fixture
def utils(monkeypatch):
    """What Jittor has when it asks for the library."""
    monkeypatch.setitem(sys.modules, "jittor.compiler", types.SimpleNamespace(import_flags=2))
    module = types.SimpleNamespace(flags=[], library=types.SimpleNamespace())

    @contextlib.contextmanager
    def import_scope(flags):
        module.flags.append(flags)
        yield

    def try_import():
        module.cc = module.cc or module.library

    module.import_scope, module.try_import_jit_utils_core = import_scope, try_import
    return module


def test_it_is_made_imported_and_not_asked_for_again(utils):
    made = []
    utils.cc = Utilities(utils, made.append)
    utils.try_import_jit_utils_core()  # before it is there, it is not imported
    assert isinstance(utils.cc, Utilities)
    assert utils.cc.cache_compile("command", "cache", "jittor") is False
    assert utils.cc is utils.library
    assert (made, utils.flags) == (["command"], [2])


def test_one_that_cannot_be_loaded_is_an_import_error(utils):
    utils.library = None
    utils.cc = Utilities(utils, lambda command: None)
    with pytest.raises(ImportError, match="utilities"):
        utils.cc.cache_compile("command", "cache", "jittor")
