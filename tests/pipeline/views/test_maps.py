import numpy as np

from pipeline.views.maps import maps_of


def test_images_that_are_alike_lie_together_on_the_map(rng):
    groups = np.repeat(np.eye(2, 8) * 9, 20, axis=0)
    vectors = (groups + rng.normal(size=(40, 8)) * 0.1).astype(np.float32)
    places = maps_of({"base": vectors})["base"]
    first, second = places[:20], places[20:]
    assert np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)) > 2 * max(first.std(), second.std())
    np.testing.assert_array_equal(maps_of({"base": 4 * vectors})["base"], places)


def test_each_side_has_a_map_of_its_own_if_there_are_eight_images(rng):
    sides = {"base": rng.normal(size=(8, 3)), "auxiliary head": rng.normal(size=(8, 5))}
    maps = maps_of({side: each.astype(np.float32) for side, each in sides.items()})
    assert {side: each.shape for side, each in maps.items()} == dict.fromkeys(sides, (8, 2))
    assert maps_of({side: each[:7].astype(np.float32) for side, each in sides.items()}) == {}
