"""What the command line prints: names that cannot steer a terminal, lines that can be typed, and no word to nobody."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from automl.apps import api
from automl.apps.cli import messages
from automl.study.errors import StudyError
from automl.tracking import status
from tests.past_studies import past

EVIL = "ho\x1b[31mle\x9b\u2028\udcfc"


def test_json_holds_a_name_as_it_is_and_prints_none_of_its_controls(capsys: pytest.CaptureFixture[str]) -> None:
    messages.print_json({"name": EVIL})
    text = capsys.readouterr().out
    assert json.loads(text) == {"name": EVIL}
    assert text.replace("\n", "").isprintable()


def test_an_error_shows_no_controls_of_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    @messages.readable
    def verb() -> None:
        raise StudyError(f"{EVIL}: must be there", f"{EVIL}\nautoml: all is well: this too")

    with pytest.raises(typer.Exit, match="2"):
        verb()
    lines = capsys.readouterr().err.splitlines()
    assert [line.isprintable() for line in lines] == [True, True]


def test_a_line_to_resume_a_study_can_be_typed() -> None:
    line = status.driver(None, finished=False, folder="runs/a b;$(touch x)")
    assert shlex.split(line)[-2:] == ["resume", "runs/a b;$(touch x)"]


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["head -c 1", "true"])
def test_a_reader_that_goes_away_is_no_mistake(tmp_path: Path, reader: str) -> None:
    past(tmp_path, "cards")
    automl = f'"{sys.executable}" -c "from automl.apps.cli import app; app()" studies --storage "{tmp_path}"'
    line = f"{automl} | {reader}; exit ${{PIPESTATUS[0]}}"
    found = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert found.stderr == ""
    assert found.returncode in {0, 128 + 13}


@pytest.mark.parametrize("verb", ["check", "search"])
def test_an_argument_that_ray_cannot_keep_is_refused_by_check_as_by_search(
    monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["automl", verb, "--data", "d\udcfcta"])
    with pytest.raises(StudyError, match=r"d\\xfcta: must be UTF-8, .* use a symlink with a UTF-8 name"):
        getattr(api, verb)("none.yaml")
