"""Page on the field: the study that a closed version of a data set starts."""

from pathlib import Path

import pytest

from automl.apps.web.pages.field import _name_in
from automl.study.errors import StudyError


def test_the_name_of_the_study_is_that_of_the_description(tmp_path: Path) -> None:
    description = tmp_path / "study.yaml"
    description.write_text("# Version 2\nname: parts-v2\n")
    assert _name_in(description) == "parts-v2"


@pytest.mark.parametrize("name", ["../secret", "--address", ""])
def test_a_name_that_forms_a_path_or_an_option_is_refused(tmp_path: Path, name: str) -> None:
    description = tmp_path / "study.yaml"
    description.write_text(f"name: '{name}'\n")
    with pytest.raises(StudyError, match="must be the name of a study"):
        _name_in(description)
