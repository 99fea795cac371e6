from pipeline.datasets.label_maps.published import fits


def test_a_published_list_is_told_by_its_last_class():
    assert fits({0, 3, 20, 255}, range(21))
    assert not fits(set(range(12)), range(21))
    assert not fits({0, 1, 2, 3}, range(1, 151))
    assert fits(set(range(80)), range(1, 151))
