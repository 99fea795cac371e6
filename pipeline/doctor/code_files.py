"""Checks of the files that compute: Jittor's own, and the libraries that were compiled here."""

from pipeline.runtime.check import Check
from pipeline.runtime.compiled_libraries import read_all
from pipeline.runtime.jittor_files import jittor_files


def jittor_files_check() -> Check:
    """Whether every file of Jittor is as in its wheel; one that is missing would stop a run."""
    files = jittor_files(content=True)
    if not files.num_listed:
        remedy = f"nothing tells whether they are whole; {files.remedy} writes a list"
        return Check("Jittor's files", None, "no list of them beside the package", remedy)
    if files.differing:
        return Check("Jittor's files", False if files.num_missing else None, str(files), files.remedy)
    return Check("Jittor's files", True, f"{files.num_listed}, all as in its wheel")


def compiled_libraries_check() -> Check:
    """Whether every library in the cache is what was compiled."""
    try:
        libraries = read_all()
    except OSError as error:
        return Check("compiled code", None, str(error), "set HSSL_CACHE to a folder of yours")
    remedy = "none needed: it is removed at the next start and compiled again"
    return Check("compiled code", None if libraries.damaged else True, str(libraries), remedy)
