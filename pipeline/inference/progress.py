"""The bar of a command over any images."""

from collections.abc import Callable

from tqdm import tqdm


def counted_in(bar: tqdm) -> Callable[[int, int], None]:
    """What to call with the images that are done and the unusable ones among them; the bar counts both."""
    num_bad = 0

    def progress(num_images: int, num_unusable: int) -> None:
        nonlocal num_bad
        num_bad += num_unusable
        if num_bad:
            bar.set_postfix_str(f"{num_bad} cannot be decoded", refresh=False)
        bar.update(num_images)

    return progress
