"""Fields of a run, and the name that is made from them."""

import pytest

from pipeline.storage.runs import RunKey

# Names are typed by people and are links in `results/`: they stay.
NAMES = {
    RunKey(): ("", ""),
    RunKey(data="images"): ("images", "images"),
    RunKey(seed=3): ("seed3", "seed 3"),
    RunKey(arm="hssl", seed=0): ("hssl-seed0", "hssl, seed 0"),
    RunKey(data="finetune", share=0.015, seed=12): ("finetune-1.5pct-seed12", "finetune-1.5pct, seed 12"),
    RunKey(share=0.1, arm="hssl-mocov3", seed=0): ("10pct-hssl-mocov3-seed0", "10pct-hssl-mocov3, seed 0"),
    RunKey(run="uper-frozen", arm="mae", seed=1): ("uper-frozen-mae-seed1", "uper-frozen-mae, seed 1"),
    RunKey(arm="hssl", study="search", head="vit", seed=0): (
        "hssl.search.vit-seed0",
        "hssl.search.vit, seed 0",
    ),
}


@pytest.mark.parametrize("key", NAMES, ids=lambda key: key.name)
def test_names(key):
    assert (key.name, key.description) == NAMES[key]
    assert RunKey(**key.as_dict()) == key
