"""Places and devices: the first line on the cluster, recorded, and a question where there are fewer GPUs."""

from pathlib import Path

import pytest

from automl.cluster import Node, Slots
from automl.pipeline.devices import MOST_SHOWN, NOTE, declare, summary
from automl.storage.journal import Journal
from automl.study.errors import StudyError
from tests.builders import METRIC

GPUS = Slots(gpus=1.0, cpus=8.0, concurrent=2)
CPUS = Slots(gpus=0.0, cpus=1.0, concurrent=4)
WITH = [Node("a", 16, 2, "H100")]
WITHOUT = [Node("a", 4, 0)]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.create(tmp_path, name="small", metric=METRIC)


def test_each_session_says_its_places_and_devices_and_records_them(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    declare(tmp_path, journal, CPUS, WITHOUT)
    declare(tmp_path, journal, GPUS, WITH)
    assert [record.getMessage() for record in caplog.records] == [
        "4 places, no GPU and 1 CPU core each: a (4 CPU cores, no GPU)",
        "2 places, 1 GPU and 8 CPU cores each: a (16 CPU cores, 2 GPUs H100)",
    ]
    found = Journal.read(tmp_path, metric=METRIC).notes()[NOTE]
    assert [(session["places"], session["gpus"]) for session in found] == [(4, 0.0), (2, 2.0)]


def test_fewer_gpus_than_before_are_refused_until_they_are_accepted(journal: Journal, tmp_path: Path) -> None:
    declare(tmp_path, journal, GPUS, WITH)
    law = (
        r"must have the 2 GPUs that the last session of the study used, but gets 0 now; .* accept it with --fewer-gpus"
    )
    for _ in range(2):
        with pytest.raises(StudyError, match=law):
            declare(tmp_path, journal, CPUS, WITHOUT)
    declare(tmp_path, journal, CPUS, WITHOUT, fewer_gpus=True)
    declare(tmp_path, journal, CPUS, WITHOUT)


def test_of_many_nodes_some_are_shown() -> None:
    line = summary(CPUS, [Node(str(number), 1, 0) for number in range(MOST_SHOWN + 3)])
    assert line.endswith("(1 CPU core, no GPU) and 3 more nodes")
