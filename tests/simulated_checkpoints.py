"""Trials of a simulated study that write checkpoints the way real ones do, and what there is to see of them."""

import random
from pathlib import Path

from automl.storage.checkpoint_files import OURS, merit
from automl.study import Job, State
from automl.study.spec import StudySpec
from automl.trials.manager import TrialManager
from tests.builders import METRIC, spec_of
from tests.simulated_study import open_search, saturating

MB = 1_000_000
RECORDS = 150_000
"""What a simulated trial writes beside its weights: events, params, lines in the journal."""


def study_of(kind: str, *, trials: int = 12, keep: int = 3, quota: float | None = None) -> StudySpec:
    """Return a study with rungs at epochs 1 and 2 of 6; `quota` in GB."""
    return spec_of(
        budget={"trials": trials},
        ladder={"min_epochs": 1, "max_epochs": 6, "reduction_factor": 2, "scheduler": kind, "validate_every": 1},
        retention={"keep": keep, "quota_gb": quota},
    )


def opened(folder: Path, spec: StudySpec, *, workers: int = 2, need: int = 0) -> TrialManager:
    """Open a study whose trials are drawn at random, which costs no time, and forecast to hold `need` bytes."""
    source = open_search(folder, spec, workers=workers)
    source._quota.needs = {spec.model: need} if need else {}

    def draw() -> tuple[dict[str, float | int | str | bool], str]:
        chosen = random.Random(len(source.trials))
        return {"lr0": chosen.uniform(0.001, 0.1), "optimizer": chosen.choice(["SGD", "AdamW"])}, "random"

    source._strategy.draw = draw  # type: ignore[method-assign]
    return source


def sized(path: Path, size: int) -> None:
    """Write a file that takes no room and has a size all the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


def held(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


class Disk:
    """Trials that write checkpoints the way real ones do, and the most that their study ever held."""

    def __init__(self, folder: Path, *, size: int = MB) -> None:
        self.folder, self.size, self.most = folder, size, 0

    def curve(self, job: Job, epoch: int) -> float:
        """Lay down what an epoch leaves; best.pt is as large as last.pt until the training ends."""
        last, half = job.folder / "last.pt", job.folder / ".last.pt.x7"
        sized(half, self.size)
        sized(job.folder / "best.pt", self.size)
        self.most = max(self.most, held(self.folder))
        if last.exists():
            last.replace(job.folder / "previous.pt")
        half.replace(last)
        (job.folder / "curves.csv").write_text("epoch\n" * epoch)
        return saturating(job, epoch + 1)

    @property
    def needed(self) -> int:
        """Return what a trial holds at most."""
        return 4 * self.size + RECORDS


def weights(source: TrialManager) -> dict[int, set[str]]:
    """Return the weights that each trial has, without those that have none."""
    found = {
        trial.number: {path.name for path in source.context.folder_of(trial).glob("*") if OURS.fullmatch(path.name)}
        for trial in source.trials
    }
    return {number: names for number, names in found.items() if names}


def best(source: TrialManager, count: int) -> list[int]:
    ranked = sorted(source.trials, key=lambda trial: merit(trial, METRIC) or (), reverse=True)
    return sorted(trial.number for trial in ranked[:count])


def kept_until_the_verdict(source: TrialManager, count: int) -> dict[int, set[str]]:
    """Return trial to weights: all of the best, and the best weights of every trial that was trained to the end."""
    whole = [trial.number for trial in source.trials if trial.state is State.COMPLETED]
    return {key: {"best.pt"} for key in whole} | {key: {"last.pt", "best.pt"} for key in best(source, count)}
