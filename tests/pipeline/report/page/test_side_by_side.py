from pipeline.report.page.side_by_side import ranked


def test_images_are_ranked_by_the_mean_over_the_arms_and_all_arms_show_the_same():
    scores = {"ibot": {1: 0.9, 2: 0.1, 3: 0.5, 8: 1.0}, "hssl": {1: 0.7, 2: 0.2, 3: 0.6, 9: 0.0}}
    assert ranked(scores) == {"best": 1, "median": 3, "worst": 2}


def test_no_image_is_shown_twice():
    assert ranked({"hssl": {4: 0.3}}) == {"best": 4}
    assert ranked({"hssl": {4: 0.3, 2: 0.3}}) == {"best": 2, "worst": 4}
    assert ranked({"hssl": {}}) == ranked({}) == {}
