"""The story of a study, from its description to a champion, in eight steps; `automl search` and `search.py` tell it.

Each step can be told again: a study that was interrupted goes on where it stood, one that is finished says so.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from automl import card, cluster, contest, finals, promotion, retention, settlement, shipping, yolo
from automl.board import Board
from automl.clock import Stage
from automl.errors import StudyError
from automl.frame import Frame
from automl.patience import patiently
from automl.records import Ending, Gain, Job, Promotion, Trial
from automl.remaining import Confirmation
from automl.rounds import Results, Retraining, Round, last_look, side_of, told
from automl.session import Place, Session, opened
from automl.settlement import Confirmed
from automl.spec import StudySpec
from automl.strategy import best_trial
from automl.study import Search
from automl.wording import shown

DEFAULT_SPEC: Final = Path(__file__).resolve().parents[1] / "search_spaces" / "smoke.yaml"

ROUNDS: Final = "rounds"
"""The journal's note of the rounds of the confirmation so far."""


class Interrupted(Exception):  # noqa: N818  (an event, no error)
    """The study was asked to stop; everything is kept."""


def run(spec: StudySpec, place: Place, *, address: str | None, console: Console) -> Promotion:
    """Search, confirm, export, judge, promote and report.

    Raises:
        Interrupted: asked to stop by a signal; `resume` goes on.
        AutomlError: a condition that the user can mend.
    """
    with cluster.interruptible(), opened(spec, place, console=console) as session:
        settlement.check_champion(session)
        if done := session.journal.notes().get("promotion"):
            if not settlement.extended(session.spec, done):
                session.progress.event("study is finished: nothing to do")
                return settlement.tell(session, done)
            settlement.reopen(session, done)

        facts = session.journal.notes().get("verdict") or decide(session, address=address)
        settlement.give_up_weights(session, facts)

        return settlement.tell(session, settlement.settle(session, facts))


def decide(session: Session, *, address: str | None) -> dict[str, Any]:
    """Search, confirm, export and judge; return the verdict and all it rests on, as the journal holds it."""
    spec = session.spec
    log, tell = session.folder / "ray.log", session.progress.event
    with cluster.connected(address=address, log=log, tell=tell) as dashboard:
        session.progress.event(f"study {spec.name} in {session.folder}; Ray dashboard {dashboard or 'none'}")
        slots = cluster.slots(gpus=spec.resources.gpus, cpus=spec.resources.cpus, concurrent=spec.resources.concurrent)
        patiently(session.folder, lambda: cluster.probe(session.folder))
        patiently(session.folder, lambda: yolo.scan_labels(session.staged))

        session.clock.enter(Stage.SEARCH, places=slots.concurrent)
        trials = search(session, slots)

        best = best_trial(trials, spec.metric)
        session.progress.event(f"best trial is {best.number}, {best.state.lower()}: {shown(best.params)}")

        session.clock.enter(Stage.CONFIRM)
        confirmed = confirm(session, slots, trials)

        session.clock.enter(Stage.EXPORT)
        chosen = shipping.choose(session, trials, confirmed.jobs)
        built = shipping.export(session, chosen, slots)
        worth = shipping.worth(session, chosen, trials, confirmed.jobs, slots)

    verdict = promotion.judge(built, spec.laws, over_champion=worth.over_champion)
    params = shipping.params_of(chosen, trials)
    facts = settlement.evidence(session, settlement.Case(confirmed, chosen, params, built, worth), verdict)
    session.journal.note("verdict", facts)
    return facts


def search(session: Session, slots: cluster.Slots) -> list[Trial]:
    """Run trials until the budget is spent, and return them."""
    spec, frame = session.spec, frame_of(session, slots)
    source = Search(
        frame=frame,
        journal=session.journal,
        board=Board(session.folder, spec.search_space, metric=spec.metric, say=session.progress.event),
        progress=session.progress,
        earlier=session.earlier,
        needs=retention.needs(frame),
        elapsed=session.clock.elapsed,
    )
    mend_cards(session, map(source.job, source.trials))
    try:
        if not source.finished:
            with session.progress.live():
                cluster.run(source, slots)
            if source.over:
                source.finish()
            session.progress.show(source.view, now=True)
    finally:
        source.close()
    if source.stopping:
        raise Interrupted
    if source.hopeless and not any(trial.measurements for trial in source.trials):
        raise StudyError(f"{session.folder}: {source.hopeless}; mend that and start again under another --name")
    return source.trials


def mend_cards(session: Session, jobs: Iterable[Job]) -> None:
    """Write the cards anew, from what the journal says, that were damaged since they were written."""
    for job in jobs:
        if card.mend(job):
            session.progress.event(f"{job.folder / card.FILE} could not be read and is written anew from the journal")


def frame_of(session: Session, slots: cluster.Slots) -> Frame:
    """Return what is fixed while the study runs."""
    return Frame(
        folder=session.folder,
        spec=session.spec,
        data=session.staged,
        gpus=slots.gpus,
        threads=max(1, int(slots.cpus)),
        concurrent=slots.concurrent,
        baseline=session.baseline,
    )


def confirm(session: Session, slots: cluster.Slots, trials: list[Trial]) -> Confirmed:
    """Train finalists and baseline on fresh seeds, round by round, and return the winner and how sure its gain is.

    Each round is in the journal before it starts: a later session ends the last one and goes on from there. With
    `confirm.seeds` 0 nothing is trained, and nothing is known of the gain.

    Raises:
        StudyError: every re-training of a side failed.
    """
    if session.spec.confirm.seeds == 0:
        nothing = Gain(0.0, -inf, session.spec.gates.confidence, (), ())
        return Confirmed(best_trial(trials, session.spec.metric), nothing, {}, None)
    opened = contest.opened(session.spec, trials)
    rounds = [Round.from_dict(plain) for plain in session.journal.notes().get(ROUNDS, [])]
    jobs: dict[str, Job] = {}
    last: dict[str, Job] = {}
    for played in rounds:
        last = planned(session, slots, trials, played, before=len(jobs))
        jobs |= last
    mend_cards(session, jobs.values())
    retrain(session, slots, last)
    while following := opened.next_round(rounds, results_of(session, jobs)):
        rounds.append(following)
        session.journal.note(ROUNDS, [played.to_dict() for played in rounds])
        session.progress.event(told(following))
        last = planned(session, slots, trials, following, before=len(jobs))
        jobs |= last
        retrain(session, slots, last)
    looked = last_look(rounds)
    results = results_of(session, jobs)
    gain = opened.gain(looked, results)
    if not gain.challenger or not gain.default:
        notes = session.journal.notes()
        causes = {note["cause"] for key, note in notes.items() if key.startswith("confirm:") and note["cause"]}
        raise StudyError(
            f"{session.folder / finals.FOLDER}: every re-training of a side failed: {' | '.join(sorted(causes))}; "
            "mend that (a batch that does not fit the default params: set train.batch or their default lower, in a new "
            "study) and resume to try them again; see their log.txt"
        )
    winner = {side_of(trial.number): trial for trial in trials}.get(looked.side, trials[0])
    return Confirmed(winner, gain, jobs, opened.would_decide(rounds, results))


def planned(
    session: Session, slots: cluster.Slots, trials: list[Trial], played: Round, *, before: int
) -> dict[str, Job]:
    """Return name to job of a round; numbered on from `before`."""
    spec, frame = session.spec, frame_of(session, slots)
    pattern = replace(frame.job(session.folder, number=0, params={}, seed=spec.seed), split=spec.confirm.split)
    params = {side_of(trial.number): frame.placed(trial.params) for trial in trials}
    return finals.plan(pattern, params | {finals.DEFAULT: frame.placed(trials[0].params)}, played.wanted, before=before)


def retrain(session: Session, slots: cluster.Slots, jobs: Mapping[str, Job]) -> None:
    """Run the jobs of a round as far as not done; one that failed in an earlier session is tried again."""
    journal, names = session.journal, {job.number: name for name, job in jobs.items()}

    frame = frame_of(session, slots)
    keeper = retention.opened(frame, journal.trials(), say=session.progress.event, needs=retention.needs(frame))

    def on_end(job: Job, ending: Ending) -> None:
        name = names[job.number]
        journal.note(f"confirm:{name}", ending.to_dict())
        keeper.retrained(job, ending)
        found = finals.score(job, ending)
        told = f"{session.spec.objective} {found.value:.4f} on {job.split}" if found else ending.reason
        session.progress.event(f"{name} {ending.state.lower()}: {told}")

    # One that failed is tried again in the next session: its cause may have been a mount that was away.
    done = {key for key, note in journal.notes().items() if key.startswith("confirm:") and note["final"]}
    left = deque(job for name, job in jobs.items() if f"confirm:{name}" not in done)
    outlook = Confirmation.of(session.spec, session.clock.elapsed, journal.trials())
    source = finals.Retrainings(
        left, names, slots.concurrent, session.progress, session.spec.resources, on_end, keeper.admits, outlook=outlook
    )
    if left:
        with session.progress.live():
            cluster.run(source, slots)
    if source.stopping:
        raise Interrupted


def results_of(session: Session, jobs: Mapping[str, Job]) -> Results:
    """Return what was reached, by what the journal holds of the re-trainings and by their curves on val."""
    notes, first = session.journal.notes(), session.spec.seed + finals.SEED_DISTANCE
    found: dict[str, dict[int, Retraining]] = {}
    for name, job in jobs.items():
        if score := finals.score(job, Ending.from_dict(notes[f"confirm:{name}"])):
            on_val = finals.on_val(score, metric=job.metric)
            found.setdefault(name.rpartition("_")[0], {})[job.seed - first] = Retraining(on_val, score)
    return found
