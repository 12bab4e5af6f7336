"""Spread of brightness, sharpness and resolution, and the images that stand out."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from automl.data.picture_cache import look_at_all
from automl.data.report.appearance import appearance, usual_sharpness
from tests.data.report.builders import image, report


def test_dark_bright_and_blurred_images_are_named(tmp_path: Path) -> None:
    paths = [image(tmp_path, f"train/{number}.png", seed=number) for number in range(9)]
    for seed, path in enumerate(paths):  # of single pixels, as a sharp image has details
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (100, 100, 3), dtype=np.uint8)).save(path)
    for path, level in ((paths[0], 10), (paths[1], 250)):
        Image.new("RGB", (100, 100), (level, level, level)).save(path)
    with Image.open(paths[2]) as sharp:
        sharp.filter(ImageFilter.GaussianBlur(6)).save(paths[2])
    seen = report(tmp_path).splits["train"].appearance
    assert seen is not None
    assert (seen.dark, seen.bright) == ((paths[0],), (paths[1],))
    assert seen.blurred == tuple(paths[:3])
    assert (seen.brightness.least, seen.brightness.most) == (10.0, 250.0)


def test_resolutions_are_counted_and_the_rest_summed(tmp_path: Path) -> None:
    for number in range(8):
        image(tmp_path, f"train/{number}.png", seed=number, side=40 + max(0, number - 1))
    seen = report(tmp_path).splits["train"].appearance
    assert seen is not None
    assert next(iter(seen.resolutions.items())) == ("40 x 40", 2)
    assert (len(seen.resolutions), seen.other_resolutions) == (5, 2)
    assert (seen.width.least, seen.width.most) == (40.0, 46.0)


def test_the_size_of_an_image_is_the_upright_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[274] = 6  # rotated by 90 degrees
    Image.new("RGB", (200, 100)).save(path, exif=exif)
    found = look_at_all([path])[path]
    assert (found.width, found.height) == (100, 200)


def test_no_image_has_no_appearance() -> None:
    assert appearance([], {}, sharpness=1.0) is None
    assert usual_sharpness([], {}) == 0.0
