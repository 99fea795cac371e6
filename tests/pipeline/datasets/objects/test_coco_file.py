"""Files that are not in COCO's form."""

import pytest

from tests.pipeline.datasets.objects.coco_set import VAL


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a JSON file"),
        ("[]", r"expected COCO's lists images, annotations, categories, found \[\]"),
        ("{}", "expected COCO's lists .*; missing: images, annotations, categories; found the keys none"),
        (
            '{"info": 1, "images": [], "categories": []}',
            "expected COCO's lists .*; missing: annotations; found the keys info, images, categories",
        ),
        ('{"images": [], "annotations": {}, "categories": []}', "annotations: expected a list, found {}"),
        (
            '{"images": [], "annotations": [[{"id": 7}]], "categories": []}',
            r"annotations: expected objects such as .*, found as number 1 \[{.id.: 7}\]",
        ),
        ('{"images": ["a.png"], "annotations": [], "categories": []}', "images: .* found as number 1 .a.png"),
        (
            '{"images": [], "annotations": [{"id": 7, "image_id": [1]}], "categories": []}',
            r"annotation 7: no image has the id \[1\]",
        ),
        (
            '{"images": [{"id": [1]}], "annotations": [], "categories": []}',
            r"image id \[1\] is neither a whole number nor text",
        ),
        (
            '{"images": [{"id": true}], "annotations": [], "categories": []}',
            "image id True is neither a whole number nor text",
        ),
    ],
)
def test_a_file_in_another_form_is_named(coco, prepared, write, text, words):
    write(coco / VAL, text)
    with pytest.raises(ValueError, match=rf"instances_val2017\.json: {words}"):
        prepared(coco)
