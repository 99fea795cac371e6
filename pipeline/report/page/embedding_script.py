"""Vega, Vega-Lite and Vega-Embed as one script, to embed in a page.

To bundle it takes vl-convert longer than to draw a page's charts. It is the same for a release of vl-convert,
so it is kept beside compiled code.
"""

from importlib.metadata import version

import vl_convert

from pipeline.report.page.address_space import raise_address_space_limit
from pipeline.runtime.cache import cache_root
from pipeline.storage.memos import read_memo, write_memo


def embedding_script() -> str:
    """The script, which sets `window.vegaEmbed`.

    Raises:
        AddressSpaceTooSmall: it is not kept yet, and this process may not reserve what bundling takes.
    """
    try:
        path = cache_root() / "page" / f"vega-embed-of-vl-convert-{version('vl-convert-python')}.json"
    except OSError:  # nothing can be kept
        return _bundled()
    if (kept := read_memo(path)) is None:
        kept = _bundled()
        write_memo(path, kept)
    return kept


def _bundled() -> str:
    raise_address_space_limit()
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
