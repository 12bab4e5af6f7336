"""Files that a version gets at its publication: lineage, metrics, contract, bill of materials, model cards.

They are made from the study's records when the number of the version is known, and decide nothing.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.data.record import DataSet
from automl.pipeline import evidence
from automl.release.runtime_contract import contract
from automl.release.sbom import sbom
from automl.storage import files, job_file
from automl.storage.layout import BEST, CARD, CARD_ZH, CONTRACT, EVALUATION, EXPORT, LINEAGE, METRICS, ONNX, SBOM
from automl.storage.records import RecordError
from automl.study import Job
from automl.study.environment import Environment
from automl.study.verdict import Verdict
from automl.tracking import card
from automl.tracking.diagnosis import findings_file, shipped_findings
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.report import Language
from automl.trials import environment

LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a version comes from."""

    folder: Path
    """Of the study."""
    data: DataSet
    seed: int
    """Of the study."""


def texts(origin: Origin, verdict: Verdict, *, name: str, number: int) -> dict[str, str]:
    """Return the further files of version `number` of a model: name to content."""
    folder = origin.folder
    trained = (folder / verdict.files[BEST]).parent
    job, found = job_file.read(trained), _environment(trained)
    lineage = _lineage(origin, verdict, job, found)
    metrics, agreed = evidence.measured(folder, verdict, seed=origin.seed), _contract(folder, verdict)
    facts = card.Facts(name, number, verdict, lineage, metrics, agreed, _findings(folder, trained, verdict))
    documents = {LINEAGE: {"name": name, "version": number, **lineage}, METRICS: metrics}
    if agreed:
        documents[CONTRACT] = agreed
    if found:
        weights = {file: files.sha256(folder / path) for file, path in verdict.files.items() if file in {BEST, ONNX}}
        documents[SBOM] = sbom(name, number, found, weights=weights)
    cards = {CARD: card.rendered(facts, Language.EN), CARD_ZH: card.rendered(facts, Language.ZH)}
    return {file: files.json_text(content) for file, content in documents.items()} | cards


def _findings(folder: Path, trained: Path, verdict: Verdict) -> list[Finding]:
    """Return what the diagnosis found in the training that ships, and in the model on the judged split."""
    shipped = shipped_findings.missing(folder, verdict) or findings_file.read(folder / EXPORT)
    return [*findings_file.read(trained), *shipped]


def _environment(trained: Path) -> Environment | None:
    """Return the environment of a training; None, with a warning, if it is not known."""
    try:
        found = environment.read(trained)
    except RecordError as error:
        LOG.warning(f"lineage: {error}")
        return None
    if found is None:
        LOG.warning(f"lineage: {trained}: packages and hardware are not known; an earlier version of automl trained it")
    return found


def _lineage(origin: Origin, verdict: Verdict, job: Job, found: Environment | None) -> dict[str, Any]:
    data = origin.data
    splits = {
        split: {"images": len(images), "boxes": _boxes(data.boxes.get(split, {}))}
        for split, images in data.images.items()
    }
    return {
        "study": verdict.study,
        "seed": origin.seed,
        "training": {
            "name": verdict.shipped.name if verdict.shipped else verdict.side,
            "seed": job.seed,
            "epochs": job.epochs,
            "model": _model(job),
            "params": dict(job.params),
            "settings": dict(job.settings),
            "gpus": job.gpus,
            "threads": job.threads,
            "trainer": job.trainer,
        },
        "data": {"source": str(data.source), "fingerprint": verdict.data, "splits": splits},
        "environment": found.to_dict() if found else None,
    }


def _model(job: Job) -> dict[str, str | None]:
    """Return the name of the model that a training began with, and the SHA-256 of its file if it is one."""
    path = Path(str(job.params.get("model", job.model)))
    return {"name": path.name, "sha256": files.sha256(path) if path.is_file() else None}


def _boxes(counted: Mapping[int, int]) -> dict[str, int]:
    return {str(number): count for number, count in counted.items()}


def _contract(folder: Path, verdict: Verdict) -> dict[str, Any] | None:
    """Return the contract of what ships; None, with a warning, if how it is judged is not recorded."""
    if EVALUATION not in verdict.files:
        LOG.warning(
            f"contract: {folder}: is left out, since an earlier version of automl exported without {EVALUATION}"
        )
        return None
    return contract(folder / verdict.files[ONNX], json.loads((folder / verdict.files[EVALUATION]).read_text("utf-8")))
