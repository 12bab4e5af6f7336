"""What a resumed training reports to its driver."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl.trials import worker
from tests.conftest import tiny_job_at


@pytest.mark.parametrize(("known", "reported"), [(0, [1, 2, 3]), (1, [1, 2, 3]), (2, [2, 3]), (3, [3])])
def test_of_epochs_that_the_driver_has_recorded_the_last_is_reported_alone(
    tmp_path: Path, data: Path, known: int, reported: list[int]
) -> None:
    job, seen = tiny_job_at(tmp_path / "job", data), list[int]()
    worker.run(job, lambda _measurement: None)

    worker.run(replace(job, known=known), lambda measurement: seen.append(measurement.epoch))

    assert seen == reported
