"""The environment of a training: what is installed, which hardware, which code."""

from importlib import metadata
from pathlib import Path

import pytest

from automl.storage import environment as software
from automl.storage.layout import ENVIRONMENT
from automl.storage.records import RecordError
from automl.trials import environment, worker
from tests.builders import written
from tests.conftest import tiny_job_at


def test_a_training_leaves_its_environment(tmp_path: Path, data: Path) -> None:
    job = tiny_job_at(tmp_path / "job", data)
    worker.run(job, lambda _measurement: None)
    found = environment.read(job.folder)
    assert found == software.present(gpu=False)
    assert found is not None
    assert found.packages["ultralytics"] == metadata.version("ultralytics")
    assert (found.gpus, found.driver, len(found.code)) == ((), "", 64)


def test_a_folder_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    assert environment.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", '{"python": 3}', '{"packages": {}}'])
def test_a_damaged_record_is_one_message(tmp_path: Path, text: str) -> None:
    written(tmp_path, ENVIRONMENT, text)
    with pytest.raises(RecordError, match="must be the environment of a training, but"):
        environment.read(tmp_path)


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    environment.record(tiny_job_at(tmp_path, tmp_path))
    path = tmp_path / ENVIRONMENT
    path.write_text(path.read_text().replace("Linux", "Minux"))
    with pytest.raises(RecordError, match="its checksum is wrong"):
        environment.read(tmp_path)
