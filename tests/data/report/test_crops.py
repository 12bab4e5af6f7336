"""Pictures of the page: the part around a box, and none for what cannot be decoded."""

import io
from pathlib import Path

import pytest
from PIL import Image

from automl.data.report.crops import crop, reduced
from tests.data.report.builders import image
from tests.pictures import encoded, noise


def test_a_small_box_is_shown_with_its_surroundings_and_no_box_with_the_whole_image(tmp_path: Path) -> None:
    path = image(tmp_path, "train/a.png", side=400)
    part, whole = crop(path, (0.01, 0.5, 0.05, 0.05)), crop(path)
    assert part is not None
    assert whole is not None
    assert (part.left, part.top, part.width, part.height, part.image) == (0, 160, 80, 80, (400, 400))
    assert (whole.width, whole.height) == (400, 400)
    with Image.open(io.BytesIO(part.jpeg)) as drawn:
        assert (drawn.format, drawn.size) == ("JPEG", (220, 220))


@pytest.mark.parametrize("content", [b"no picture", b""])
def test_what_cannot_be_decoded_has_no_picture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert crop(tmp_path / "a.png") is None
    assert crop(tmp_path / "missing.png") is None


def test_a_picture_is_reduced_and_never_enlarged() -> None:
    small, same = reduced(encoded(noise(1, side=300)), 100), reduced(encoded(noise(1, side=60)), 100)
    assert small is not None
    assert same is not None
    for part, side in ((small, 100), (same, 60)):
        with Image.open(io.BytesIO(part.jpeg)) as drawn:
            assert drawn.size == (side, side)
    assert reduced(b"no picture", 100) is None
    assert reduced(b"", 100) is None


@pytest.mark.parametrize("suffix", [".tif", ".avif", ".png"])
def test_a_picture_of_any_kind_that_is_trained_on_has_a_crop(tmp_path: Path, suffix: str) -> None:
    kind = {".tif": "TIFF", ".avif": "AVIF", ".png": "PNG"}[suffix]
    (tmp_path / f"a{suffix}").write_bytes(encoded(noise(1, side=80), kind))
    found = crop(tmp_path / f"a{suffix}")
    assert found is not None
    assert found.image == (80, 80)
