"""Confirmation stage: retrain finalists and default on fresh seeds, round by round."""

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, Final

from automl import cluster
from automl.hpo import confirmation
from automl.hpo.rounds import Results, Retraining, Round, last_look, side_of, summary
from automl.hpo.selection import best_trial
from automl.pipeline import disk_forecast, operators, plan, shipping
from automl.pipeline.board import listeners_of
from automl.pipeline.extension import EARLIER_ROUNDS, ROUNDS
from automl.pipeline.search import rewrite_job_files, run_context
from automl.pipeline.session import Session
from automl.release.publish import Confirmed
from automl.storage import layout
from automl.storage.journal import Journal
from automl.study import Ending, Gain, Job, Trial, results
from automl.study.confirmation_end import Why
from automl.study.errors import Interrupted, StudyError
from automl.trials import quota, repair, retrainings
from automl.trials.job_clock import Stage
from automl.trials.jobs import RunContext
from automl.trials.remaining import Confirmation, whole_training

LOG: Final = logging.getLogger(__name__)


def confirm(session: Session, slots: cluster.Slots, trials: list[Trial]) -> Confirmed:
    """Retrain finalists and baseline on fresh seeds, round by round, and return the winner and its gain.

    Each round is in the journal before it starts: a later session completes the last one and continues. With
    `confirm.seeds` 0 nothing is trained, and the gain is unknown.

    Raises:
        StudyError: every re-training of a side failed.
    """
    session.clock.enter(Stage.CONFIRM)
    if session.spec.confirm.seeds == 0:
        nothing = Gain(0.0, -inf, session.spec.gates.confidence, (), ())
        best = best_trial(shipping.fitting(session.journal, trials), session.spec.metric)
        return Confirmed(best, trials[0].params, nothing, {}, None)
    compared = shipping.with_baseline(session.journal, trials)
    context, late = run_context(session, slots), ""
    rounds, jobs = _resumed(session, slots, context, trials)
    opened = confirmation.opened(session.spec, compared, places=slots.concurrent, begun=rounds)
    while following := opened.next_round(rounds, results_of(session.journal.notes(), jobs, seed=session.spec.seed)):
        if rounds and (late := plan.no_time(session.spec, session.clock.elapsed(), trials, following.size)):
            LOG.info(late)
            break
        rounds.append(following)
        session.journal.note(ROUNDS, [played.to_dict() for played in rounds])
        LOG.info(summary(following))
        last = planned(context, trials, following, before=len(jobs))
        jobs |= last
        retrain(session, slots, last)
    final = last_look(rounds)
    results = results_of(session.journal.notes(), jobs, seed=session.spec.seed)
    gain = opened.gain(final, results)
    _refuse_failed(session.folder, session.journal, gain)
    winner = {side_of(trial.number): trial for trial in trials}.get(final.side, trials[0])
    older = _earlier(session.journal, context, trials, jobs)
    end = opened.end(rounds, results)
    if end and late:
        end = replace(end, why=Why.TIME)
    return Confirmed(winner, trials[0].params, gain, jobs | older, opened.would_decide(rounds, results),
                     end, opened.retrainings)  # fmt: skip


def _resumed(
    session: Session, slots: cluster.Slots, context: RunContext, trials: list[Trial]
) -> tuple[list[Round], dict[str, Job]]:
    """Complete the rounds of earlier sessions; return them and their jobs."""
    with session.journal.interpreted():
        rounds = [Round.from_dict(plain) for plain in session.journal.notes().get(ROUNDS, [])]
    jobs: dict[str, Job] = {}
    last: dict[str, Job] = {}
    for played in rounds:
        last = planned(context, trials, played, before=len(jobs))
        jobs |= last
    rewrite_job_files(jobs.values())
    for done in repair.mend_retrainings(session.journal, jobs).values():
        LOG.info(done)
    retrain(session, slots, repair.remade(session.journal, jobs) | last)
    return rounds, jobs


def _refuse_failed(folder: Path, journal: Journal, gain: Gain) -> None:
    """Check that a re-training of each side ended well."""
    if not gain.challenger or not gain.default:
        notes = journal.notes()
        causes = {note["cause"] for key, note in notes.items() if key.startswith("confirm:") and note["cause"]}
        raise StudyError(
            f"{folder / layout.CONFIRM}: every re-training of a side failed: {' | '.join(sorted(causes))}; "
            "fix the cause (if the batch of the default params does not fit, lower train.batch or its default in a new "
            "study) and resume to retry them; see their log.txt"
        )


def _earlier(journal: Journal, context: RunContext, trials: list[Trial], jobs: Mapping[str, Job]) -> dict[str, Job]:
    """Return the re-trainings of verdicts before the study was extended: their models may still ship."""
    notes, found = journal.notes(), dict[str, Job]()
    with journal.interpreted():
        rounds = [Round.from_dict(plain) for plain in notes.get(EARLIER_ROUNDS, [])]
    for played in rounds:
        again = planned(context, trials, played, before=len(jobs) + len(found))
        done = {name for name in again if (notes.get(f"confirm:{name}") or {}).get("final")}
        found |= {name: job for name, job in again.items() if name in done and name not in jobs}
    return found


def planned(context: RunContext, trials: list[Trial], played: Round, *, before: int) -> dict[str, Job]:
    """Return the jobs of a round by name, each with the resources of its side; numbers start after `before`."""
    spec = context.spec
    pattern = replace(context.job(context.folder, number=0, params={}, seed=spec.seed), split=spec.confirm.split)
    params = {side_of(trial.number): trial.params for trial in trials} | {results.DEFAULT: trials[0].params}
    placed = {side: context.placed(values) for side, values in params.items()}
    jobs = retrainings.plan(pattern, placed, played.wanted, before=before)
    return {name: context.sized(job, params[name.rpartition("_")[0]]) for name, job in jobs.items()}


def retrain(session: Session, slots: cluster.Slots, jobs: Mapping[str, Job]) -> None:
    """Run the jobs of a round that are not done; one that failed in an earlier session is retried."""
    journal, names = session.journal, {job.number: name for name, job in jobs.items()}

    context = run_context(session, slots)
    keeper = quota.restored(context, journal.trials(), needs=disk_forecast.needs(context.spec, context.absolute))

    def on_end(job: Job, ending: Ending) -> None:
        name = names[job.number]
        journal.note(f"confirm:{name}", ending.to_dict())
        keeper.retrained(job, ending)
        found = retrainings.score(job, ending)
        outcome = f"{session.spec.objective_name} {found.value:.4f} on {job.split}" if found else ending.text
        LOG.info(f"{name} {ending.state.lower()}: {outcome}")

    # A failed one is retried in the next session: the cause may have been an unavailable mount.
    done = {key for key, note in journal.notes().items() if key.startswith("confirm:") and note["final"]}
    left = deque(job for name, job in jobs.items() if f"confirm:{name}" not in done)
    for name in names.values():
        if f"confirm:{name}" in journal.notes() and f"confirm:{name}" not in done:
            journal.retraining_lost(name, ())
    spec, epochs = session.spec, session.spec.ladder.max_epochs
    further = (operators.retraining_metrics(session, jobs), *session.watchers)
    listeners = listeners_of(context, session.data, further=further)
    whole = whole_training(journal.trials(), metric=spec.metric, epochs=epochs)
    source = retrainings.Retrainings(
        left, names, slots.concurrent, session.progress, spec.resources, on_end, keeper.admit,
        outlook=Confirmation(spec.retrainings, epochs, session.clock.elapsed, whole), journal=journal,
        listeners=listeners,
    )  # fmt: skip
    try:
        if left:
            with session.progress.live():
                cluster.run(source, slots)
    finally:
        listeners.close()
    if source.stopping:
        raise Interrupted


def results_of(notes: Mapping[str, Any], jobs: Mapping[str, Job], *, seed: int) -> Results:
    """Return the results, from the journal's scores of the re-trainings and their curves on val."""
    first = seed + retrainings.SEED_DISTANCE
    found: dict[str, dict[int, Retraining]] = {}
    for name, job in jobs.items():
        if score := retrainings.score(job, Ending.from_dict(notes[f"confirm:{name}"])):
            on_val = retrainings.on_val(score, metric=job.metric)
            found.setdefault(name.rpartition("_")[0], {})[job.seed - first] = Retraining(on_val, score)
    return found
