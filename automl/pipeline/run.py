"""The story of a study, from its description to a champion, in eight steps; `automl search` and `search.py` tell it.

Each step can be told again: a study that was interrupted goes on where it stood, one that is finished says so.
"""

from pathlib import Path
from typing import Final

from rich.console import Console

from automl import cluster
from automl.hpo.selection import best_trial
from automl.pipeline import export, finish
from automl.pipeline.confirm import confirm
from automl.pipeline.search import search
from automl.pipeline.session import Session, opened
from automl.release import gates, publish
from automl.storage.layout import RAY_LOG
from automl.storage.outage import patiently
from automl.storage.place import Place
from automl.study.spec import StudySpec
from automl.study.text import shown
from automl.study.verdict import Verdict
from automl.trainers import trainer_of
from automl.trials.job_clock import Stage

DEFAULT_SPEC: Final = Path(__file__).resolve().parents[2] / "search_spaces" / "smoke.yaml"


def run(spec: StudySpec, place: Place, *, address: str | None, console: Console | None = None) -> Verdict:
    """Search, confirm, export, judge, promote and report.

    Raises:
        Interrupted: asked to stop by a signal; `resume` goes on.
        AutomlError: a condition that the user can mend.
    """
    with cluster.interruptible(), opened(spec, place, console=console) as session:
        publish.check_champion(session)
        if plain := session.journal.notes().get("promotion"):
            done = Verdict.from_dict(plain)
            if not publish.extended(session.spec, done):
                session.progress.event("study is finished: nothing to do")
                return finish.tell(session, done)
            publish.reopen(session, done)

        plain = session.journal.notes().get("verdict")
        verdict = Verdict.from_dict(plain) if plain else decide(session, address=address)
        publish.give_up_weights(session, verdict)

        return finish.tell(session, finish.settle(session, verdict))


def decide(session: Session, *, address: str | None) -> Verdict:
    """Search, confirm, export and judge; return the verdict, which is then in the journal."""
    spec = session.spec
    log, tell = session.folder / RAY_LOG, session.progress.event
    with cluster.connected(address=address, log=log, tell=tell) as dashboard:
        session.progress.event(f"study {spec.name} in {session.folder}; Ray dashboard {dashboard or 'none'}")
        slots = cluster.slots(gpus=spec.resources.gpus, cpus=spec.resources.cpus, concurrent=spec.resources.concurrent)
        patiently(session.folder, lambda: cluster.probe(session.folder))
        patiently(session.folder, lambda: trainer_of().scan_labels(session.staged))

        session.clock.enter(Stage.SEARCH, places=slots.concurrent)
        trials = search(session, slots)

        best = best_trial(trials, spec.metric)
        session.progress.event(f"best trial is {best.number}, {best.state.lower()}: {shown(best.params)}")

        session.clock.enter(Stage.CONFIRM)
        confirmed = confirm(session, slots, trials)

        session.clock.enter(Stage.EXPORT)
        chosen = export.choose(session, trials, confirmed.jobs)
        built = export.export(session, chosen, slots)
        worth = export.worth(session, chosen, trials, confirmed.jobs, slots)

    results = gates.judge(built, spec.laws, over_champion=worth.over_champion)
    params = export.params_of(chosen, trials)
    verdict = publish.verdict_of(session, publish.Case(confirmed, chosen, params, built, worth), results)
    session.journal.note("verdict", verdict.to_dict())
    return verdict
