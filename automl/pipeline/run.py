"""Run a study, from its description to a champion, in eight stages; called by `automl search` and `search.py`.

Each stage is idempotent: an interrupted study resumes, a finished one is unchanged.
"""

import logging
import os
from functools import partial
from pathlib import Path
from typing import Final, Literal

from rich.console import Console

from automl import cluster
from automl.cluster.metrics import SHOWN
from automl.pipeline import (
    champion_classes,
    devices,
    export,
    extension,
    finish,
    forgetting,
    operators,
    packing,
    shipping,
    structures,
    target_nodes,
)
from automl.pipeline.confirm import confirm
from automl.pipeline.search import search
from automl.pipeline.session import Session, opened
from automl.release import gates, publish
from automl.storage.journal import Journal
from automl.storage.layout import BEST, RAY_LOG
from automl.storage.outage import retry_on_outage
from automl.storage.place import Place
from automl.study import shipped_spaces
from automl.study.spec import StudySpec
from automl.study.verdict import Verdict
from automl.tracking import outcome
from automl.trainers import registration, trainer_of

LOG: Final = logging.getLogger(__name__)

DEFAULT_SPEC: Final = shipped_spaces.folder() / "smoke.yaml"


def run(
    spec: StudySpec, place: Place, *, address: str | None, console: Console | None = None, fewer_gpus: bool = False
) -> Verdict:
    """Run a study from its description to a champion, in eight stages; each is idempotent and resumable.

    `fewer_gpus` accepts fewer GPUs than the last session used.

    Raises:
        Interrupted: stopped by a signal; `resume` continues.
        AutomlError: a condition that the user can fix.
    """
    with (
        cluster.interruptible(),
        opened(spec, place, console=console) as session,  # 1. check data, open the folder
        operators.exporting(session),
        operators.notifying(session) as notice,
    ):
        registry = place.registry(session.spec.champion_name)
        publish.check_champion(registry, session.data.names, train=session.spec.train)
        while True:
            verdict = concluded(session, address=address, fewer_gpus=fewer_gpus)
            notice.lines = tuple(outcome.lines(verdict, registry.name))
            changed = extension.late(session.folder, session.journal, session.spec)
            if changed is None:
                return finish.summarize(session, verdict)  # 8. the outcome, and the next commands
            session.spec = changed


def concluded(session: Session, *, address: str | None, fewer_gpus: bool) -> Verdict:
    """Return the published verdict of a study, after the stages that are left."""
    if done := finished(session.journal, retrainings=session.spec.confirm.retrainings):
        return done
    forgetting.stage(session)
    verdict = decided(session.journal) or decide(session, address=address, fewer_gpus=fewer_gpus)  # 2 to 6
    publish.delete_weights(session, verdict)
    again = partial(compare_again, session, address=address, fewer_gpus=fewer_gpus)
    return finish.publish(session, verdict, compare_again=again)  # 7. registry, champion, report


def decide(session: Session, *, address: str | None, fewer_gpus: bool = False) -> Verdict:
    """Search, confirm, export and judge; return the verdict, which is then in the journal."""
    LOG.info("joining the Ray cluster" if address or "RAY_ADDRESS" in os.environ else "starting a local Ray cluster")
    log = session.folder / RAY_LOG
    with cluster.connected(address=address, log=log, trains=True) as dashboard, SHOWN.repeated():
        slots = allotted(session, fewer_gpus=fewer_gpus)  # 2. join Ray, probe the nodes, scan the labels
        prepare(dashboard, folder=session.folder, staged=session.staged)
        session.allowed, session.costs = structures.allowed(session, slots)
        slots = packing.shared(session, slots)  # how many trials share a GPU
        trials = search(session, slots)  # 3. trials, until the budget is spent
        shipping.decide(session.journal, session.spec, trials)
        confirmed = confirm(session, slots, trials)  # 4. fresh seeds of finalists and baseline
        chosen = export.choose(session, trials, confirmed.jobs)
        built = export.export(session, chosen, slots)  # 5. ONNX and engine of the best model
        worth = export.worth(session, chosen, trials, confirmed.jobs, slots)  # 6. judged on images that no trial used
        kept = forgetting.judged(session, chosen.weights, slots)
    case = publish.Case(confirmed, chosen, export.params_of(chosen, trials), built, worth)
    spec = session.spec
    judged = gates.judge(built, spec.laws, over_champion=worth.over_champion, constraints=spec.constraints)
    results = (*judged, *champion_classes.judged(session, worth.champion, worth.over_champion), *kept)
    verdict = publish.verdict_of(session, case, results)
    session.journal.note("verdict", verdict.to_dict())
    return verdict


def compare_again(session: Session, verdict: Verdict, *, address: str | None, fewer_gpus: bool) -> Verdict:
    """Compare the model of a verdict with the champion that serves now; return the verdict, then in the journal."""
    with cluster.connected(address=address, log=session.folder / RAY_LOG) as dashboard:
        prepare(dashboard, folder=session.folder, staged=session.staged)
        slots = allotted(session, fewer_gpus=fewer_gpus)
        weights = session.folder / verdict.files[BEST]
        champion, over = export.over_champion(session, weights, slots)
        kept = forgetting.judged(session, weights, slots)
    classes = champion_classes.judged(session, champion, over)
    again = publish.compared_again(verdict, session.spec.laws, champion=champion, over=over, classes=classes)
    again = forgetting.replaced(again, kept) if kept else again
    session.journal.note("verdict", again.to_dict())
    return again


def allotted(session: Session, *, fewer_gpus: bool) -> cluster.Slots:
    """Return the resources of a trial; log and record the places and devices of this session."""
    slots = cluster.slots_for(session.spec.resources)
    target_nodes.warn(session.spec.built_for)
    devices.declare(session.folder, session.journal, slots, cluster.nodes(), fewer_gpus=fewer_gpus)
    return slots


def prepare(dashboard: str, *, folder: Path, staged: Path) -> None:
    """Check that the nodes can access the study's folder, and scan the labels."""
    LOG.info(f"Ray dashboard {dashboard or 'none'}")
    retry_on_outage(folder, lambda: cluster.probe(folder, trainer=registration.chosen()))
    retry_on_outage(folder, lambda: trainer_of().scan_labels(staged))


def finished(journal: Journal, *, retrainings: int | Literal["auto"]) -> Verdict | None:
    """Return the published verdict of a finished study; None before it, or if more re-trainings are requested.

    In the latter case the verdict is withdrawn first, so that the confirmation continues. `auto` requests none: it may
    have been fewer in the version that finished the study.
    """
    plain = journal.notes().get("promotion")
    with journal.interpreted():
        done = Verdict.from_dict(plain) if plain else None
    if done and retrainings != "auto" and publish.extended(done, retrainings):
        publish.reopen(journal, done, retrainings=retrainings)
        return None
    if done:
        LOG.info("study is finished: nothing to do")
    return done


def decided(journal: Journal) -> Verdict | None:
    """Return the verdict that an interrupted session left in the journal before it was published."""
    plain = journal.notes().get("verdict")
    with journal.interpreted():
        return Verdict.from_dict(plain) if plain else None
