"""A version as a study publishes it, with the tiny trainer and without Ray: trained, exported, judged, published."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from automl.data import check, sample, staging
from automl.hpo import bootstrap
from automl.hpo.selection import Candidate
from automl.pipeline import finish
from automl.pipeline.session import Session
from automl.release import export as release_export
from automl.release import gates, publish
from automl.release.publish import Case, Confirmed, Worth
from automl.storage import files, job_file
from automl.storage.detections import ImageStats
from automl.storage.journal import Journal
from automl.storage.layout import BEST, EXPORT, ONNX_STATS
from automl.storage.place import Place
from automl.storage.registry import Registry
from automl.study import Gain, Trial
from automl.study.load import dump
from automl.study.results import DEFAULT
from automl.study.verdict import Verdict
from automl.study.yaml_io import read_yaml
from automl.tracking.console import Progress
from automl.tracking.diagnosis import findings_file
from automl.tracking.diagnosis.finding import Finding
from automl.trials import worker
from tests import tiny_trainer
from tests.builders import METRIC, spec_of
from tests.conftest import tiny_job_at

TRAINED = "default_seed1000001"
FINDING = Finding("class suppressed", TRAINED, 3, "AP50 of spot is low", "look at its labels", {"value": 0.1}, "spot")


@dataclass(frozen=True)
class Version:
    """A published version."""

    registry: Registry
    number: int
    verdict: Verdict

    @property
    def folder(self) -> Path:
        return self.registry.path(self.number)


def drawn(folder: Path) -> Path:
    """Draw a small data set and return its `data.yaml`."""
    return sample.draw(folder, splits={"train": 24, "val": 12, "test": 12})


def shipped(
    storage: Path, source: Path, *, study: str = "tiny", low: float = 0.01, params: Mapping[str, Any] | None = None
) -> Version:
    """Publish a version of `models/boards` in a storage; a negative `low` is a loss that its gate refuses."""
    place = Place(storage)
    spec = spec_of(name=study, champion="boards", model=tiny_trainer.MODEL, data=str(source), confirm={"seeds": 2})
    session = session_of(place, spec, source)
    job = replace(
        tiny_job_at(session.folder / "confirm" / TRAINED, session.staged, **{"lr0": 0.02, **(params or {})}),
        split="test",
    )
    files.write_text(session.folder / "study.yaml", dump(spec))
    job_file.write(job)
    ending = worker.run(job, lambda _measurement: None)
    if ending.final is None:
        pytest.fail(f"the training ended with {ending.text}")
    findings_file.write(job.folder, [FINDING])
    images = sorted((session.staged.parent / "images" / "test").iterdir())
    built = release_export.build(job.folder / BEST, job, session.folder / EXPORT, images=images, engine="none")
    stats = ImageStats.load(session.folder / EXPORT / ONNX_STATS)
    worth = Worth(bootstrap.interval(stats, spec.objective_name), stats.images, None, 0, None)
    gain = Gain(0.0, float("-inf"), 0.95, (), ())
    case = Case(
        Confirmed(Trial(0, job.params, seed=0), job.params, gain, {}, None),
        Candidate(TRAINED, DEFAULT, 0.6, job.folder / BEST), job.params,
        replace(built, torch_score=built.onnx_score + (0.0 if low > 0 else 0.1)), worth,
    )  # fmt: skip
    verdict = publish.verdict_of(session, case, gates.judge(case.built, spec.laws))
    done = finish.publish(session, verdict, compare_again=lambda _verdict: pytest.fail("nothing is compared again"))
    return Version(place.registry("boards"), done.version or 0, done)


def session_of(place: Place, spec: Any, source: Path) -> Session:
    """Return an open study, without its lock."""
    folder = place.study(spec.name)
    folder.mkdir(parents=True)
    data = check.check(source, read_yaml(source), splits=("train", "val", "test"))
    staged = staging.stage(data, folder / "data")
    journal = Journal.create(folder, name=spec.name, metric=METRIC)
    progress = Progress(folder / "study.log", console=Console(quiet=True))
    return Session(spec, place, folder, data, staged, journal, progress)
