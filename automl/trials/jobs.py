"""Immutable run settings of a study, and the jobs made from them."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from automl.study.spec import StudySpec
from automl.trainers import chosen
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
        return demand_of(resources, params, usual=Demand(self.cpus, self.gpus, resources.memory_gb or 0.0))

    def job(self, folder: Path, *, number: int, params: Params, seed: int) -> Job:
        """Return a training of these params to the last epoch; models are named by their absolute path."""
        needed = self.demand(params)
        return Job(
            folder=folder,
            number=number,
            params=self.placed(params),
            seed=seed,
            epochs=self.spec.ladder.max_epochs,
            model=self.absolute(self.spec.model),
            data=str(self.data),
            metric=self.spec.metric,
            settings={**self.spec.train, **self._files_in(self.spec.train)},
            gpus=needed.gpus,
            threads=self.threads if needed.cpus == self.cpus else max(1, int(needed.cpus)),
            validate_every=self.spec.ladder.validate_every,
            rungs=self.spec.ladder.rungs,
            pictures_every=self.spec.tracking.pictures_every,
            histograms=None if self.spec.tracking.histograms == "auto" else self.spec.tracking.histograms,
            cpus=needed.cpus,
            memory_gb=needed.memory_gb,
            local_copy=self.spec.resources.local_copy,
            local_copy_gb=self.spec.resources.local_copy_gb,
            trainer=chosen(),
        )


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
