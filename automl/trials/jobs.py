"""Immutable run settings of a study, and the jobs made from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from automl.hpo.length_scales import lengths_of
from automl.hpo.strategy import StrategySettings
from automl.storage import symlinks
from automl.storage.layout import trial_folder
from automl.study import Job, Params, PastEvidence, Trial
from automl.study.baseline import Baseline
from automl.study.demand import Demand, demand_of
from automl.study.model_files import FILE_SETTINGS
from automl.study.packing import Shares, TrainingStructure
from automl.study.spec import StudySpec
from automl.trainers import chosen, trainer_of
from automl.trainers.registration import BUILT_IN


@dataclass(frozen=True, slots=True)
class RunContext:
    """Immutable settings while a study runs."""

    folder: Path
    spec: StudySpec
    data: Path
    """The staged `data.yaml`."""
    gpus: float
    threads: int
    concurrent: int
    cpus: float = 0.0
    """CPU cores of a trial; 0: as the session."""
    baseline: Baseline | None = None
    """None in a study begun by an earlier version: its baseline is the default of its space."""
    allowed: tuple[Params, ...] = ()
    """Structures that no constraint excludes (`study.structure`), the dearest first; empty: all."""
    costs: tuple[float, ...] = ()
    """The second objective of each of `allowed`; empty: the metric alone counts."""
    portfolio: tuple[Params, ...] = ()
    """Params that are tried after the default."""
    shares: Shares = field(default_factory=Shares)
    """GPU share of each structure, with `resources.gpus: auto`; empty: all trials alike."""

    def absolute(self, model: str) -> str:
        """Return the path of a model that the study keeps, or the name of one that the trainer ships."""
        return str(self.folder / model) if symlinks.contains_file(self.folder, model) else model

    def placed(self, params: Params) -> Params:
        """Return params for a worker: models and weights by their absolute paths."""
        return {**params, **self._files_in(params)}

    def _files_in(self, values: Mapping[str, Any]) -> dict[str, str]:
        named = {name: values[name] for name in FILE_SETTINGS if isinstance(values.get(name), str)}
        return {name: self.absolute(value) for name, value in named.items()}

    def folder_of(self, trial: Trial) -> Path:
        """Return the folder of a trial; its name is human-readable."""
        return trial_folder(self.folder, trial, self.spec.model)

    def demand(self, params: Params) -> Demand:
        """Return what a trial of these params needs while it runs."""
        resources = self.spec.resources
        usual = Demand(self.cpus, self.gpus, resources.memory_gb or 0.0)
        if self.shares:
            usual = self.shares.demand(self.structure(params)) or usual
        return demand_of(resources, params, usual=usual)

    def structure(self, params: Params) -> TrainingStructure:
        """Return what decides the memory and the speed of a training of these params."""
        spec = self.spec
        job = Job(self.folder, 0, params, 0, 1, spec.model, "", spec.metric, spec.train, trainer=chosen())
        trainer = trainer_of(job)
        named = Path(str(params.get("model", spec.model)))
        model = str(named.relative_to(self.folder) if named.is_relative_to(self.folder) else named)
        return TrainingStructure(model, trainer.image_size(job), trainer.batch_size(job))

    def sized(self, job: Job, params: Params) -> Job:
        """Return a job with the resources of a trial of these params."""
        needed = self.demand(params)
        threads = self.threads if needed.cpus == self.cpus else max(1, int(needed.cpus))
        return replace(job, gpus=needed.gpus, cpus=needed.cpus, memory_gb=needed.memory_gb, threads=threads)

    def job(self, folder: Path, *, number: int, params: Params, seed: int) -> Job:
        """Return a training of these params to the last epoch; models are named by their absolute path."""
        job = Job(
            folder=folder,
            number=number,
            params=self.placed(params),
            seed=seed,
            epochs=self.spec.ladder.max_epochs,
            model=self.absolute(self.spec.model),
            data=str(self.data),
            metric=self.spec.metric,
            settings={**self.spec.train, **self._files_in(self.spec.train)},
            validate_every=self.spec.ladder.validate_every,
            rungs=self.spec.ladder.rungs,
            pictures_every=self.spec.tracking.pictures_every,
            histograms=None if self.spec.tracking.histograms == "auto" else self.spec.tracking.histograms,
            local_copy=self.spec.resources.local_copy,
            local_copy_gb=self.spec.resources.local_copy_gb,
            trainer=chosen(),
        )
        return self.sized(job, params)


def strategy_settings(context: RunContext, earlier: tuple[PastEvidence, ...]) -> StrategySettings:
    """Return the settings of a study's sampler and scheduler; `earlier` is what past studies know."""
    spec = context.spec
    return StrategySettings(
        space=spec.search_space,
        metric=spec.metric,
        max_epochs=spec.ladder.max_epochs,
        rungs=spec.ladder.rungs,
        reduction_factor=spec.ladder.reduction_factor,
        scheduler=spec.ladder.scheduler,
        seed=spec.seed,
        earlier=earlier,
        baseline=context.baseline,
        allowed=context.allowed,
        costs=context.costs,
        portfolio=context.portfolio,
        lengths=lengths_of(spec.search_space) if chosen() in BUILT_IN else {},
    )
