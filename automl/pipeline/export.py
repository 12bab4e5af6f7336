"""Export stage: choose the model that ships on val, export it, and measure it on the judged split.

Chosen by `selection`, never on the judged split. Measured there as exported, with intervals by bootstrap
over images (docs/decisions/0023).
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from automl import cluster
from automl.data import staging
from automl.hpo import bootstrap, selection
from automl.hpo.rounds import side_of
from automl.hpo.selection import Candidate, best_trial
from automl.pipeline import shipped_cost, shipping, target_nodes
from automl.pipeline.session import Session
from automl.release import contract, parity, quantization, targets, working_point
from automl.release import export as release_export
from automl.release.publish import Worth
from automl.release.working_point import Comparison
from automl.storage import files, job_file, records
from automl.storage.detection_rate import RateCurve
from automl.storage.detections import ImageStats
from automl.storage.layout import (
    BASELINE_STATS,
    BEST,
    CHAMPION_STATS,
    EVALUATION,
    EXPORT,
    JUDGED,
    ONNX,
    ONNX_STATS,
    TORCH_STATS,
    TORCH_VAL_STATS,
    VAL_STATS,
    trial_folder,
)
from automl.storage.records import RecordError
from automl.storage.registry import CHAMPION
from automl.study import Ending, EvalSettings, ExportResult, Job, Params, Parity, State, TargetResult, Trial
from automl.study.errors import StudyError
from automl.study.gate_result import GateResult
from automl.study.objective import RateGoal
from automl.study.results import DEFAULT
from automl.study.spec_parts import GatesSpec
from automl.study.verdict import Interval
from automl.trials import data_mount, retrainings
from automl.trials.job_clock import Stage

LOG: Final = logging.getLogger(__name__)
Result = TypeVar("Result")

CLASS_SETTINGS: Final = ("classes", "single_cls")
"""Settings that say which boxes count: two models are compared under those of one study."""


def choose(session: Session, trials: Sequence[Trial], jobs: Mapping[str, Job]) -> Candidate:
    """Return the model that ships: of all candidates, the choice of `selection` on val.

    `jobs` are the re-trainings by name. If no training completed, the best trial is the only candidate.

    Raises:
        StudyError: no weights are left to choose from.
    """
    session.clock.enter(Stage.EXPORT)
    metric = session.spec.metric
    folders = {trial.number: trial_folder(session.folder, trial, session.spec.model) for trial in trials}
    found = candidates(trials, jobs, notes=session.journal.notes(), folders=folders, metric=metric)
    found = [one for one in found if shipping.fits(session.journal, params_of(one, trials))]
    if not found:
        best = best_trial(shipping.fitting(session.journal, trials), metric)
        LOG.info(f"no model was trained to the last epoch; trial {best.number} is the best of those trained longest")
        found = [_of_trial(best, trials[0].params, folder=folders[best.number], metric=metric)]
    chosen = selection.choose(found)
    if not chosen.weights.is_file():
        raise StudyError(
            f"{chosen.weights}: must be the weights of {chosen.name}, but was deleted; set retention.quota_gb higher"
        )
    listed = ", ".join(f"{one.name} {one.on_val:.4f}" for one in sorted(found, key=lambda one: -one.on_val)[:5])
    LOG.info(f"models to choose from: {len(found)}; the best on val: {listed}")
    return chosen


def candidates(
    trials: Sequence[Trial],
    jobs: Mapping[str, Job],
    *,
    notes: Mapping[str, Any],
    folders: Mapping[int, Path],
    metric: str,
) -> list[Candidate]:
    """Return the models that were completed with unchanged settings and still have weights."""
    whole = (trial for trial in trials if trial.state is State.COMPLETED and not trial.changed)
    found = [_of_trial(trial, trials[0].params, folder=folders[trial.number], metric=metric) for trial in whole]
    for name, job in jobs.items():
        if score := retrainings.score(job, Ending.from_dict(notes[f"confirm:{name}"])):
            on_val = retrainings.on_val(score, metric=job.metric)
            found.append(Candidate(name, name.rpartition("_")[0], on_val, score.weights))
    return [one for one in found if one.weights.is_file()]


def params_of(candidate: Candidate, trials: Sequence[Trial]) -> Params:
    """Return the params of a model."""
    sides = {side_of(trial.number): trial.params for trial in trials}
    return trials[0].params if candidate.side == DEFAULT else sides[candidate.side]


def export(session: Session, chosen: Candidate, slots: cluster.Slots) -> ExportResult:
    """Export the chosen model and measure the result on a node, with the resources of a trial (a GPU, if any)."""
    LOG.info(f"{chosen.name} is chosen to ship: {chosen.weights}; exporting it")
    images = staged_images(session.staged, session.spec.confirm.split)
    job = _judged_job(chosen.weights.parent, session.spec.confirm.split)
    job = replace(job, settings={**job.settings, "dynamic": session.spec.export.dynamic})
    build = partial(release_export.build, images=images, engine=session.spec.export.engine)
    built = _on_images(build, (chosen.weights, job, session.folder / EXPORT), slots, data=job.data)
    LOG.info(
        f"ONNX differs from torch by {built.onnx_difference:.2g} at most, scores {built.onnx_score:.4f} "
        f"(torch {built.torch_score:.4f}); engine: {built.engine.builder if built.engine else 'none'}"
    )
    for note in built.notes:
        LOG.info(f"note: {note}")
    return _with_targets(session, built, job, slots)


def _with_targets(session: Session, built: ExportResult, job: Job, slots: cluster.Slots) -> ExportResult:
    """Compare the ONNX file with the weights at the served threshold, and build the artifacts of the targets."""
    spec, folder = session.spec, session.folder / EXPORT
    if built.threshold is None:
        return built
    threshold, basis = built.threshold, "where F1 on val is highest"
    held: tuple[GateResult, ...] = ()
    shipped, weights = (ImageStats.load(folder / name) for name in (ONNX_STATS, TORCH_STATS))
    agreed = spec.agreed
    if goal := spec.rate or (RateGoal(agreed.max_overkill_rate, agreed.per) if agreed else None):
        threshold = RateCurve.of(ImageStats.load(folder / VAL_STATS), goal).at().threshold
        _set_threshold(folder / EVALUATION, threshold)
        basis = f"the lowest that holds an over-kill rate of {goal.over_kill:g} per {goal.per} on val"
    if agreed:
        held = contract.judge(shipped, threshold, agreed)
    LOG.info(f"served threshold: {threshold:g}, {basis}")
    at = Comparison(threshold, spec.objective_name, session.data.names, _resampling(spec.gates, spec.seed))
    judged = working_point.compare("ONNX", shipped, weights=weights, at=at)
    on_val = _on_val(folder, job, at)
    found = _targets(session, job, at, slots)
    cost = shipped_cost.of_onnx(session, job, slots)
    return replace(
        built, parity=judged, on_val=on_val, targets=found, threshold=threshold, contract=held, onnx_cost=cost
    )


def _on_val(folder: Path, job: Job, at: Comparison) -> Parity | None:
    """Return the comparison of the ONNX file with the weights on val; None where val is the judged split."""
    if job.split == parity.VAL:
        return None
    shipped, weights = (ImageStats.load(folder / name) for name in (VAL_STATS, TORCH_VAL_STATS))
    return working_point.compare("ONNX on val", shipped, weights=weights, at=at)


def _targets(session: Session, job: Job, at: Comparison, slots: cluster.Slots) -> tuple[TargetResult, ...]:
    spec = session.spec
    if not spec.built_for:
        return ()
    LOG.info(f"building the artifacts of {', '.join(spec.targets)}")
    calibration = quantization.calibration(staged_images(session.staged, "train"), seed=spec.seed)
    pictures = shipped_cost.timed_on(session.staged, split=spec.confirm.split, wanted=spec.export.end_to_end)
    order = targets.Order(job, session.folder / EXPORT, calibration, at, spec.laws, pictures)
    found = target_nodes.build(order, spec.built_for, slots)
    for one in found:
        if one.artifact and one.note:
            LOG.info(f"note: target {one.target.name}: {one.note}")
    return found


def _set_threshold(path: Path, threshold: float) -> None:
    record = EvalSettings.from_dict(json.loads(path.read_text(encoding="utf-8")))
    files.write_json(path, replace(record, threshold=threshold).to_dict())


def staged_images(staged: Path, split: str) -> list[Path]:
    """Return the images of a split that the study trains and judges on: those that were staged, also while away."""
    return staging.images_of(staged, split=split)


def _on_images(work: Callable[..., Result], arguments: tuple[Any, ...], slots: cluster.Slots, *, data: str) -> Result:
    """Return the result of work on a node, done again while the images of the staged data set are away."""
    return data_mount.retried(lambda: cluster.call(work, arguments, slots), data, who="the evaluation")


def worth(
    session: Session, chosen: Candidate, trials: Sequence[Trial], jobs: Mapping[str, Job], slots: cluster.Slots
) -> Worth:
    """Measure the baseline's models and the serving champion if not done yet, and compare."""
    spec, folder = session.spec, session.folder / EXPORT
    shipped, torch = (ImageStats.load(folder / name) for name in (ONNX_STATS, TORCH_STATS))
    split = spec.confirm.split
    own = trial_folder(session.folder, trials[0], spec.model) if trials[0].state is State.COMPLETED else None
    theirs = _baseline(jobs, own, kept=folder / BASELINE_STATS, split=split, slots=slots)
    champion, over = over_champion(session, chosen.weights, slots)
    plan = _resampling(spec.gates, spec.seed)
    between = partial(bootstrap.paired_difference, objective=spec.objective_name, plan=plan)
    return Worth(
        value=bootstrap.interval(shipped, spec.objective_name, plan),
        images=shipped.images,
        over_baseline=between(torch, theirs) if theirs else None,
        baselines=len(theirs),
        over_champion=over,
        champion=champion,
    )


def over_champion(session: Session, weights: Path, slots: cluster.Slots) -> tuple[int, Interval | None]:
    """Return the version of the serving champion, 0 if none serves, and the exported model's difference to it.

    The difference is None without a champion, or if the model is the champion.
    """
    spec, folder = session.spec, session.folder / EXPORT
    registry = session.place.registry(spec.champion_name)
    number = registry.records()[0].get(CHAMPION, 0)
    if number == 0:
        return 0, None
    kept = folder / CHAMPION_STATS
    stats = _champion(registry.verified(number), weights, kept=kept, split=spec.confirm.split, slots=slots)
    if stats is None:
        return number, None
    shipped, plan = ImageStats.load(folder / ONNX_STATS), _resampling(spec.gates, spec.seed)
    return number, bootstrap.paired_difference(shipped, [stats], objective=spec.objective_name, plan=plan)


def _resampling(gates: GatesSpec, seed: int) -> bootstrap.Resampling:
    return bootstrap.Resampling(seed=seed, confidence=gates.confidence)


def _of_trial(trial: Trial, default: Params, *, folder: Path, metric: str) -> Candidate:
    side = DEFAULT if dict(trial.params) == dict(default) else side_of(trial.number)
    return Candidate(f"trial {trial.number}", side, trial.best(metric) or 0.0, folder / BEST)


def _judged_job(folder: Path, split: str) -> Job:
    """Return the job of a folder, set to the split that no trial used."""
    return replace(job_file.read(folder), split=split)


def _baseline(
    jobs: Mapping[str, Job], own: Path | None, *, kept: Path, split: str, slots: cluster.Slots
) -> list[ImageStats]:
    """Return the detections of the baseline's re-trainings on the judged split; without any, those of trial 0.

    `own` is the folder of trial 0 if it completed, `kept` the file of its detections.
    """
    models = [(job.folder, job.folder / JUDGED) for name, job in jobs.items() if _is_baseline(name)]
    if not models and own:
        models = [(own, kept)]
    unmeasured = [
        (folder / BEST, _judged_job(folder, split), stats)
        for folder, stats in models
        if (folder / BEST).is_file() and not _is_measured(stats)
    ]
    if unmeasured:
        _on_images(parity.score_all, (unmeasured,), slots, data=unmeasured[0][1].data)
    return [ImageStats.load(stats) for _, stats in models if stats.is_file()]


def _is_measured(kept: Path) -> bool:
    """Return True if a model's detections are there; damaged ones are set aside, so that it is measured again."""
    if not kept.is_file():
        return False
    try:
        ImageStats.load(kept)
    except RecordError as error:
        LOG.info(f"{error}: kept as {records.set_aside(kept).name}")
        return False
    return True


def _is_baseline(name: str) -> bool:
    return name.rpartition("_")[0] == DEFAULT


def _champion(version: Path, chosen: Path, *, kept: Path, split: str, slots: cluster.Slots) -> ImageStats | None:
    """Measure the serving champion's ONNX file, at its own image size, on the chosen model's judged images.

    None if the model is the champion.
    """
    if files.sha256(version / BEST) == files.sha256(chosen):
        return None
    here = _judged_job(chosen.parent, split)
    theirs = job_file.read(version)
    same = {name: here.settings[name] for name in CLASS_SETTINGS if name in here.settings}
    own = {name: value for name, value in theirs.settings.items() if name not in CLASS_SETTINGS}
    job = replace(
        theirs, data=here.data, split=here.split, gpus=here.gpus, threads=here.threads, settings={**own, **same}
    )
    found = _on_images(partial(parity.score, keep=kept), (version / ONNX, job), slots, data=job.data)
    LOG.info(f"the serving champion scores {found[job.judged_metric]:.4f} on the same images")
    return ImageStats.load(kept)
