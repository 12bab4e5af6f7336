"""Replay of a version: its training again in a fresh process, and whether the learning curve is the same bit for bit.

The job, its seed and the curve are those of the version; the data set must have the fingerprint of its verdict. Nothing
in the registry or the study changes.
"""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from automl.pipeline import inputs
from automl.storage import curves_file, environment, files, job_file, records, scratch
from automl.storage.layout import CURVES, LINEAGE, OUTCOME, PARAMS, RUNS, SPEC, TRIAL_LOG, VERDICT
from automl.storage.registry import Registry
from automl.study import Job, Measurement
from automl.study.environment import Environment, differences
from automl.study.errors import RegistryError, StudyError
from automl.study.load import stored
from automl.study.model_files import FILE_SETTINGS
from automl.study.spec import SAMPLE
from automl.trainers import trainer_of

PAUSE: Final = 0.2
"""Seconds between two looks at the curve of the training."""
PATIENCE: Final = 10.0
"""Seconds for a training to end before it is killed."""
TAIL: Final = 2000
"""Bytes of the log that are shown of a training that failed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference between two learning curves."""

    epoch: int
    metric: str
    then: float | str | None
    now: float | str | None

    def __str__(self) -> str:
        """Return the difference as text, with all digits."""
        return f"epoch {self.epoch}: {self.metric}: {self.then} then, {self.now} now"


@dataclass(frozen=True, slots=True)
class Replay:
    """Result of a replay."""

    name: str
    version: int
    same: bool
    """All epochs have the same metrics, bit for bit."""
    epochs: int
    """Epochs of the version's curve."""
    difference: Difference | None
    environment: tuple[str, ...]
    """What differs in packages, Python, hardware and the program's code."""
    environment_known: bool


def replay(registry: Registry, number: int, *, storage: Path, data: Path | None, say: Callable[[str], None]) -> Replay:
    """Train a version's job again, and compare the curves until the first difference.

    `storage` contains the study whose model files the training began with; `data` is the data set if it is not where
    the description says. `say` gets each line of progress.

    Raises:
        RegistryError: the version is missing or damaged, or does not record what is needed.
        StudyError: the data set or the model files are others, or the training failed.
    """
    folder = registry.verified(number)
    job, published = _recorded(folder)
    different, known = _environment(folder, job)
    for line in different:
        say(f"environment: {line}")
    if not different:
        say("environment: the same" if known else "environment: not recorded in this version, so it is not compared")
    with scratch.folder() as place:
        ready = _prepared(folder, job, place, storage=storage, data=data)
        say("data set: as published")
        job_file.write(ready)
        with _training(ready, threads=job.threads) as process:
            found = _watched(process, ready.folder, published, say)
    return Replay(registry.name, number, found is None, len(published), found, tuple(different), known)


def _recorded(folder: Path) -> tuple[Job, tuple[Measurement, ...]]:
    """Return the job and the curve in a version.

    Raises:
        RegistryError: it has none.
    """
    for name in (PARAMS, SPEC, VERDICT, CURVES):
        if not (folder / name).is_file():
            raise RegistryError(
                f"{folder}: must contain {name} to be trained again, but does not: an earlier automl published it; "
                "replay a version of a study that ended since"
            )
    return job_file.read(folder), curves_file.read_curves(folder)


def _environment(folder: Path, job: Job) -> tuple[list[str], bool]:
    """Return what differs between the environment of the training and this one, and whether the former is known."""
    path = folder / LINEAGE
    plain = json.loads(path.read_text(encoding="utf-8")).get("environment") if path.is_file() else None
    if not plain:
        return [], False
    with records.reading(path, kind="the lineage of a version", remedy="restore it from a copy"):
        then = Environment.from_dict(plain)
    return list(differences(then, environment.present(gpu=job.gpus > 0))), True


def _prepared(folder: Path, job: Job, place: Path, *, storage: Path, data: Path | None) -> Job:
    """Return the job in a folder of its own, with the data set staged there and the model files found.

    Raises:
        StudyError: the data set or a model file is another or missing, or there is no GPU.
    """
    if trainer_of(job).gpu_count() < (needed := math.ceil(job.gpus)):
        raise StudyError(
            f"{folder}: must be trained on {needed} GPU{'s' * (needed > 1)}, as it was, but this machine has "
            f"{trainer_of(job).gpu_count()}"
        )
    data_file = staged(folder, place, data)
    study = storage / RUNS / stored(folder / SPEC).name
    digest = _digest_of_model(folder)
    moved = {
        group: {name: _found(str(value), study) if name in FILE_SETTINGS else value for name, value in values.items()}
        for group, values in (("params", job.params), ("settings", job.settings))
    }
    model = _found(job.model, study)
    begun = Path(str(moved["params"].get("model", model)))
    if digest and (not begun.is_file() or files.sha256(begun) != digest):
        raise StudyError(f"{begun}: must be the model that the training began with, SHA-256 {digest}, but is another")
    return replace(
        job, folder=place / "training", data=str(data_file), model=model, params=moved["params"],
        settings=moved["settings"], split="val", attempt=1,
    )  # fmt: skip


def staged(folder: Path, place: Path, data: Path | None) -> Path:
    """Check and stage the data set of a version; return the staged `data.yaml`.

    Raises:
        StudyError: it is missing, or another than that of the version.
    """
    spec, wanted = stored(folder / SPEC), _verdict(folder)["data"]
    given = str(data.absolute()) if data else spec.data
    if given != SAMPLE and not Path(given).exists():
        raise StudyError(f"{given}: must be the data set of the version, but does not exist; pass --data")
    found, marker = inputs.prepare_data(given, place / "study", split=spec.confirm.split, searched=())
    if found.fingerprint != wanted:
        raise StudyError(
            f"{given}: must be the data set of the version, fingerprint {wanted}, but has {found.fingerprint}: class "
            "names, images or labels have changed since; restore them, or pass --data"
        )
    return marker


def _verdict(folder: Path) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads((folder / VERDICT).read_text(encoding="utf-8"))
    if not isinstance(found.get("data"), str):
        raise RegistryError(f"{folder / VERDICT}: must have the fingerprint of the data set, but has none")
    return found


def _digest_of_model(folder: Path) -> str | None:
    """Return the SHA-256 of the file that the training began with; None if it was no file, or is not recorded."""
    path = folder / LINEAGE
    if not path.is_file():
        return None
    found: str | None = json.loads(path.read_text(encoding="utf-8"))["training"]["model"]["sha256"]
    return found


def _found(name: str, study: Path) -> str:
    """Return the path of a model file of a study, also where the storage was moved; a shipped name stays.

    Raises:
        StudyError: the file is missing.
    """
    path = Path(name)
    if not path.is_absolute() or path.is_file():
        return name
    parts = path.parts
    own = study.joinpath(*parts[parts.index(study.name) + 1 :]) if study.name in parts else path
    if not own.is_file():
        raise StudyError(
            f"{path}: must be the model that the training began with, but does not exist; restore it, or pass "
            "--storage with the study's folder in it"
        )
    return str(own)


@contextmanager
def _training(job: Job, *, threads: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the training of a job in a fresh process; it is ended after the block."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(place for place in (os.environ.get("PYTHONPATH"), root) if place)
    settings = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}  # as Ray does for a worker
    command = [sys.executable, "-P", "-m", "automl.pipeline.replay_training", str(job.folder)]
    with (job.folder / TRIAL_LOG).open("wb") as log:
        process = subprocess.Popen(command, cwd=job.folder, env=settings, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _watched(
    process: "subprocess.Popen[bytes]", folder: Path, published: Sequence[Measurement], say: Callable[[str], None]
) -> Difference | None:
    """Compare the curve in a training's folder with the published one, epoch by epoch; None if all are the same.

    Raises:
        StudyError: the training ended early.
    """
    done = 0
    while done < len(published):
        over = process.poll() is not None
        now = curves_file.read_curves(folder)
        for before, after in zip(published[done:], now[done:], strict=False):
            if found := difference(before, after):
                return found
            done += 1
            say(f"epoch {before.epoch} of {published[-1].epoch}: the same")
        if over and done < len(published):
            raise StudyError(f"the training ended after epoch {done}: {_cause(folder)}")
        time.sleep(0.0 if over else PAUSE)
    return None


def difference(then: Measurement, now: Measurement) -> Difference | None:
    """Return the first metric of an epoch that is another one, in any bit; None if all are the same.

    >>> one = Measurement(3, {"val/map50": 0.5}, seconds=1.0)
    >>> difference(one, Measurement(3, {"val/map50": 0.5}, seconds=9.0))
    >>> str(difference(one, Measurement(3, {"val/map50": 0.5000000000000001}, seconds=1.0)))
    'epoch 3: val/map50: 0.5 then, 0.5000000000000001 now'
    """
    names = dict.fromkeys((*then.metrics, *now.metrics))
    facts: tuple[tuple[str, float | str | None, float | str | None], ...] = (
        ("epoch", then.epoch, now.epoch),
        ("conditions", then.changed, now.changed),
        *((name, then.metrics.get(name), now.metrics.get(name)) for name in names),
    )
    return next((Difference(then.epoch, name, old, new) for name, old, new in facts if old != new), None)


def _cause(folder: Path) -> str:
    """Return why a training ended: its ending, else the end of its log."""
    if (folder / OUTCOME).is_file():
        return str(json.loads((folder / OUTCOME).read_text(encoding="utf-8"))["text"])
    return (folder / TRIAL_LOG).read_bytes()[-TAIL:].decode(errors="replace").strip() or "no reason given"
