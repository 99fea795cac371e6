"""The two pictures of the README, from a finished experiment's report, by Chromium.

    python docs/screenshots.py results/quickstart/report.html

It needs Playwright (`pip install playwright`) and Debian's chromium, or a browser of Playwright's own.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
MOST_BYTES = 200_000
_WIDTH, _HEIGHT = 1120, 860  # pixels
# Name of the file -> where the picture begins.
_PLACES = {"report-answer": "header", "report-pictures": "#pictures"}


def take(report: Path, folder: Path = IMAGES) -> list[Path]:
    """Write a PNG for each place of the page; what was written.

    Raises:
        ValueError: the page has no such place, or a picture is larger than a README should load.
    """
    folder.mkdir(exist_ok=True)
    with sync_playwright() as program:
        browser = program.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        written = [_write(page, place, folder / f"{name}.png") for name, place in _PLACES.items()]
        browser.close()
    return written


def _write(page: Page, place: str, path: Path) -> Path:
    if page.query_selector(place) is None:
        raise ValueError(f"{page.url}: expected {place}, found no such part")
    page.evaluate("place => document.querySelector(place).scrollIntoView()", place)
    page.wait_for_timeout(1500)  # until what came into view is drawn
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"{path}: {size} bytes, expected at most {MOST_BYTES}")
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    for made in take(Path(sys.argv[1])):
        print(made)
