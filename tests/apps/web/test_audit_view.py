"""Label audit on the page on labels: which list of suspects is worked through."""

import os
from pathlib import Path

from automl.apps.web.audit_view import list_of
from tests.builders import written


def test_the_newest_list_of_the_studies_is_worked_through(tmp_path: Path) -> None:
    studies = [tmp_path / name for name in ("first", "second", "without")]
    assert list_of(studies) is None
    for at, folder in enumerate(studies[:2]):
        os.utime(written(folder, "audit.json", "{}"), (9 - at, 9 - at))
    assert list_of(studies) == studies[0] / "audit.json"
