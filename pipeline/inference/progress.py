"""Progress bar of a command on any images."""

from collections.abc import Callable

from tqdm import tqdm


def counted_in(bar: tqdm) -> Callable[[int, int], None]:
    """A function to call with the numbers of finished and of unusable images; the bar counts both."""
    num_bad = 0

    def progress(num_images: int, num_unusable: int) -> None:
        nonlocal num_bad
        num_bad += num_unusable
        if num_bad:
            bar.set_postfix_str(f"{num_bad} cannot be decoded", refresh=False)
        bar.update(num_images)

    return progress
