"""A small set of images and objects in COCO's format."""

CATEGORIES = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 13, "name": "sign"}]
SQUARE = [[1, 1, 4, 1, 4, 3, 1, 3]]
TRAIN, VAL = "annotations/instances_train2017.json", "annotations/instances_val2017.json"


def annotation(number, image, category, **rest):
    found = {"id": number, "image_id": image, "category_id": category, "bbox": [1, 1, 3, 2], "area": 6}
    return found | {"segmentation": SQUARE, "iscrowd": 0} | rest


def content(ids, annotations, width=5, height=4):
    images = [{"id": i, "file_name": f"{i}.png", "width": width, "height": height} for i in ids]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}
