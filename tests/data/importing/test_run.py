"""An annotated folder in any known format becomes a YOLO data set: the same boxes, in splits without leakage."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from automl.data.importing.run import WAITING, import_data
from automl.data.importing.splits import Plan
from automl.study.errors import DataError
from automl.study.yaml_io import read_yaml
from tests.builders import written

WIDTH, HEIGHT = 80, 40
BOX = (10, 5, 30, 25)
"""Left, top, right, bottom in pixels of the one box of each labelled image."""
LINE = "0 0.250000 0.375000 0.250000 0.500000"


def pictures(folder: Path, count: int = 6) -> list[str]:
    """Write images of noise, all different, and return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.imwrite(str(folder / f"p{number}.png"), noise)
    return [f"p{number}.png" for number in range(count)]


def coco(root: Path) -> None:
    left, top, right, bottom = BOX
    names = pictures(root / "images")
    content = {
        "images": [{"id": n, "file_name": name, "width": WIDTH, "height": HEIGHT} for n, name in enumerate(names)],
        "annotations": [
            *({"id": n, "image_id": n, "category_id": 3, "bbox": [left, top, right - left, bottom - top]}
              for n in range(5)),
            {"id": 9, "image_id": 0, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
        "categories": [{"id": 3, "name": "hole", "supercategory": "parts"}, {"id": 1, "name": "parts"}],
    }  # fmt: skip
    written(root / "annotations", "all.json", json.dumps(content))


def voc(root: Path) -> None:
    left, top, right, bottom = BOX
    for name in pictures(root / "JPEGImages")[:5]:
        box = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        thing = f"<object><name>hole</name><bndbox>{box}</bndbox></object>"
        written(root / "Annotations", f"{Path(name).stem}.xml",
                f"<annotation><filename>{name}</filename>{size}{thing}</annotation>")  # fmt: skip


def cvat(root: Path) -> None:
    left, top, right, bottom = BOX
    shape = f'<polygon label="hole" points="{left},{top};{right},{top};{right},{bottom}"/>'
    rows = "".join(f'<image name="{name}" width="{WIDTH}" height="{HEIGHT}">{shape}</image>'
                   for name in pictures(root / "images")[:5])  # fmt: skip
    head = "<meta><task><labels><label><name>hole</name></label></labels></task></meta>"
    written(root, "annotations.xml", f"<annotations><version>1.1</version>{head}{rows}</annotations>")


def label_studio(root: Path) -> None:
    left, top, right, bottom = BOX
    value = {"x": 100 * left / WIDTH, "y": 100 * top / HEIGHT, "width": 100 * (right - left) / WIDTH,
             "height": 100 * (bottom - top) / HEIGHT, "rotation": 0, "rectanglelabels": ["hole"]}  # fmt: skip
    result = [{"type": "rectanglelabels", "value": value, "original_width": WIDTH, "original_height": HEIGHT}]
    tasks = [{"id": n, "data": {"image": f"/data/upload/1/0a1b2c3d-{name}"},
              "annotations": [{"result": result, "was_cancelled": False}] if n < 5 else []}
             for n, name in enumerate(pictures(root))]  # fmt: skip
    written(root, "export.json", json.dumps(tasks))


def darknet(root: Path) -> None:
    for name in pictures(root / "obj_train_data")[:5]:
        written(root / "obj_train_data", f"{Path(name).stem}.txt", LINE)
    written(root, "obj.names", "hole\n")


@pytest.mark.parametrize(
    ("make", "kind", "waiting"),
    [(coco, "COCO", 0), (voc, "Pascal VOC", 1), (cvat, "CVAT", 1), (label_studio, "Label Studio", 1),
     (darknet, "YOLO", 1)],
)  # fmt: skip
def test_each_format_gives_the_same_data_set(
    tmp_path: Path, make: Callable[[Path], None], kind: str, waiting: int
) -> None:
    make(tmp_path / "source")
    packed = Path(shutil.make_archive(str(tmp_path / "source"), "zip", tmp_path / "source"))
    found = import_data(packed, tmp_path / "out", read_yaml=read_yaml)
    assert (found.kind, found.names, found.boxes) == (kind, ("hole",), 5)
    assert sum(found.images.values()) == 6
    assert found.images[WAITING] == waiting  # COCO lists the image without a box: it is background
    labels = sorted((tmp_path / "out/labels").rglob("*.txt"))
    assert {path.read_text().strip() for path in labels if path.read_text()} == {LINE}
    assert len(labels) == 6 - waiting
    assert read_yaml(found.data)["names"] == {0: "hole"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source", "source.zip"]  # nothing is left behind


def test_splits_of_a_source_are_kept_and_its_leaks_named(tmp_path: Path) -> None:
    for split, numbers in (("train", range(3)), ("val", range(2, 5))):
        for number in numbers:
            noise = np.random.default_rng(number).integers(0, 255, (32, 32), np.uint8)
            image = cv2.resize(noise, (160, 160), interpolation=cv2.INTER_CUBIC)
            target = tmp_path / "source/images" / split / f"{split}{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), image, [cv2.IMWRITE_JPEG_QUALITY, 95 if split == "train" else 90])
            written(tmp_path / "source/labels" / split, f"{split}{number}.txt", "0 0.5 0.5 0.5 0.5")
    source = written(tmp_path / "source", "data.yaml", "train: images/train\nval: images/val\nnames: [hole]")
    kept = import_data(source, tmp_path / "kept", read_yaml=read_yaml)
    assert (kept.groups, kept.images["train"], kept.images["val"]) == (0, 3, 3)
    assert kept.leaks[0].startswith("1 of 3 images of val are near copies of images of train")
    drawn = import_data(source, tmp_path / "drawn", plan=Plan((50, 50, 0)), read_yaml=read_yaml)
    assert (drawn.groups, drawn.leaks, drawn.images["test"]) == (5, (), 0)


def test_images_alone_wait_for_labels_of_the_named_classes(tmp_path: Path) -> None:
    pictures(tmp_path / "source")
    with pytest.raises(
        DataError, match="must have annotations with classes, but has none; name them: --names hole,scratch"
    ):
        import_data(tmp_path / "source", tmp_path / "out", read_yaml=read_yaml)
    found = import_data(tmp_path / "source", tmp_path / "out", names=["hole"], read_yaml=read_yaml)
    assert found.images == {"train": 0, "val": 0, "test": 0, WAITING: 6}


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    coco(tmp_path / "source")
    path = tmp_path / "source/annotations/all.json"
    content = json.loads(path.read_text())
    content["images"][1]["file_name"] = "../../../etc/passwd"
    content["images"][2]["width"] = 10 * WIDTH
    path.write_text(json.dumps(content))
    notes = import_data(tmp_path / "source", tmp_path / "out", read_yaml=read_yaml).notes
    assert [note.split(", such as")[0] for note in notes] == [
        "1 crowd regions are left out",
        "1 images of the annotations are not in the source, or there are several of the name",
        "1 images have other proportions than their annotation says, and are left out",
    ]


@pytest.mark.parametrize("text", ["<!DOCTYPE a [<!ENTITY b 'c'>]><annotation>&b;</annotation>", "<annotation>"])
def test_damaged_and_dangerous_xml_is_refused(tmp_path: Path, text: str) -> None:
    pictures(tmp_path / "source", 1)
    written(tmp_path / "source", "a.xml", text)
    with pytest.raises(DataError, match=r"a\.xml: must be XML in UTF-8 without a document type, but .*; export"):
        import_data(tmp_path / "source", tmp_path / "out", read_yaml=read_yaml)
    assert not (tmp_path / "out").exists()


def test_two_formats_and_a_folder_in_use_are_refused(tmp_path: Path) -> None:
    coco(tmp_path / "source")
    cvat(tmp_path / "source")
    with pytest.raises(DataError, match=r"must have annotations in one format, but has COCO \(.*\), CVAT \("):
        import_data(tmp_path / "source", tmp_path / "out", read_yaml=read_yaml)
    with pytest.raises(DataError, match="must be a new or empty folder, but contains files"):
        import_data(tmp_path / "source", tmp_path / "source", read_yaml=read_yaml)
