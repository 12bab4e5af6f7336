"""Forgetting check: the model that ships against the serving champion on earlier data sets, as gates.

A model that is trained again on new pictures may lose what an earlier one could (McCloskey and Cohen, 1989,
"Catastrophic Interference in Connectionist Networks"). Both models are measured as exported, on the judged split of
each data set of `confirm.earlier_data`.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from automl import cluster
from automl.data import staging
from automl.hpo import bootstrap
from automl.pipeline import inputs
from automl.pipeline.export import CLASS_SETTINGS
from automl.pipeline.session import Session
from automl.release import gates, parity
from automl.storage import files, job_file
from automl.storage.detections import ImageStats
from automl.storage.layout import BEST, EARLIER, EXPORT, ONNX, UNPACKED
from automl.storage.outage import retry_on_outage
from automl.storage.registry import CHAMPION
from automl.study import Job
from automl.study.errors import DataError
from automl.study.gate_result import GateResult
from automl.study.verdict import Verdict
from automl.trials import data_mount

LOG: Final = logging.getLogger(__name__)


def stage(session: Session) -> None:
    """Check and stage the earlier data sets, before the first trial.

    Raises:
        DataError: one cannot be used, or has other classes than the study's data set.
    """
    spec = session.spec
    for given, folder in _places(session.folder, spec.confirm.earlier_data):
        data = inputs.check_data(
            Path(given), unpacked=folder.with_name(f"{folder.name}-{UNPACKED}"), split=spec.confirm.split, searched=()
        )
        if dict(data.names) != dict(session.data.names):
            raise DataError(
                f"{given}: confirm.earlier_data must have the classes of the study's data set, "
                f"{[*session.data.names.values()]}, but has {[*data.names.values()]}"
            )
        retry_on_outage(session.folder, partial(staging.stage, data, folder))


def judged(session: Session, weights: Path, slots: cluster.Slots) -> tuple[GateResult, ...]:
    """Return a gate for each earlier data set; none without a champion, or where the model is the champion.

    `weights` are those that ship; their ONNX file is in the study's export.
    """
    spec = session.spec
    places = _places(session.folder, spec.confirm.earlier_data)
    registry = session.place.registry(spec.champion_name)
    number = registry.records()[0].get(CHAMPION, 0)
    if not places or not number:
        if places:
            LOG.info(
                "forgetting: no champion serves, so that nothing can be forgotten; no earlier data set is measured"
            )
        return ()
    champion = registry.verified(number)
    if files.sha256(champion / BEST) == files.sha256(weights):
        return ()
    plan = bootstrap.Resampling(seed=spec.seed, confidence=spec.gates.confidence)
    objective = spec.metric.partition("/")[2]
    found = list[GateResult]()
    for given, folder in places:
        ours = _measured(
            session.folder / EXPORT / ONNX,
            _job(weights.parent, weights.parent, folder, split=spec.confirm.split),
            slots,
        )
        theirs = _measured(champion / ONNX, _job(champion, weights.parent, folder, split=spec.confirm.split), slots)
        over = bootstrap.paired_difference(ours, [theirs], objective=objective, plan=plan)
        found.append(gates.forgetting(given, over, spec.laws))
        LOG.info(f"gate {found[-1].reason}")
    return tuple(found)


def replaced(verdict: Verdict, results: Sequence[GateResult]) -> Verdict:
    """Return a verdict with gates measured again, against another champion, in place of those of their names."""
    names = {one.name for one in results}
    ranked = sorted([*(one for one in verdict.gates if one.name not in names), *results], key=lambda one: one.passed)
    accepted = all(one.passed for one in ranked)
    return replace(verdict, gates=tuple(ranked), accepted=accepted, reasons=tuple(one.reason for one in ranked))


def _places(folder: Path, earlier: Sequence[str]) -> list[tuple[str, Path]]:
    return [(given, folder / EARLIER / f"{number}")
            for number, given in enumerate(earlier, start=1)]  # fmt: skip


def _job(own: Path, chosen: Path, data: Path, *, split: str) -> Job:
    """Return the job in the folder `own`, on the earlier data set, with the classes that count as in the chosen one."""
    job, here = job_file.read(own), job_file.read(chosen)
    same = {name: here.settings[name] for name in CLASS_SETTINGS if name in here.settings}
    rest = {name: value for name, value in job.settings.items() if name not in CLASS_SETTINGS}
    return replace(job, data=str(data / "data.yaml"), split=split, gpus=here.gpus,
                   threads=here.threads, settings={**rest, **same})  # fmt: skip


def _measured(weights: Path, job: Job, slots: cluster.Slots) -> ImageStats:
    place = Path(job.data).parent
    kept = place.with_name(f"{place.name}-{files.sha256(weights)[:16]}.npz")
    if not kept.is_file():
        work = partial(parity.score, keep=kept)
        data_mount.retried(lambda: cluster.call(work, (weights, job), slots), job.data, who="the forgetting check")
    return ImageStats.load(kept)
