"""The reference of the description's keys: every key has a text, and the file in docs/ is the generated one."""

import subprocess
import sys
from functools import cache

import pytest

from automl.study.reference import FILE, field_docs
from automl.study.reference import reference as written
from automl.study.spec import StudySpec
from automl.study.spec_parts import TargetSpec

PARTS = ("budget", "ladder", "resources", "confirm", "retention", "export", "gates")
reference = cache(written)


def test_docs_description_is_what_the_field_docs_say() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run python -m automl.study.reference"


@pytest.mark.parametrize("part", PARTS)
def test_every_key_of_a_part_has_a_text(part: str) -> None:
    model = StudySpec.model_fields[part].annotation
    assert model is not None
    assert set(field_docs(model.__name__)) == set(model.model_fields)


@pytest.mark.parametrize("key", sorted(StudySpec.model_fields))
def test_every_key_at_the_top_is_listed(key: str) -> None:
    assert f"`{key}`" in reference() or f"`{key}." in reference()


def test_every_key_of_a_target_is_listed() -> None:
    assert all(f"`targets.*.{name}`" in reference() for name in TargetSpec.model_fields)


def test_the_reference_is_made_without_torch_and_ray() -> None:
    code = "import sys, automl.study.reference; sys.exit(bool({'torch', 'ray', 'ultralytics'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
