"""The story of a study, from its description to a champion, in eight steps; `automl search` and `search.py` tell it.

Each step can be told again: a study that was interrupted goes on where it stood, one that is finished says so.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from automl import cluster, engine, finals, settlement, yolo
from automl.board import Board
from automl.errors import StudyError
from automl.frame import Frame
from automl.records import Ending, Engine, Gain, Job, Promotion, Score, Trial
from automl.session import Place, Session, opened
from automl.spec import StudySpec, read_yaml
from automl.study import Search, best_trial
from automl.trial import PARAMS
from automl.wording import shown

DEFAULT_SPEC: Final = Path(__file__).resolve().parents[1] / "search_spaces" / "smoke.yaml"


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
            session.progress.event("study is finished: nothing to do")
            return settlement.tell(session, done)

        facts = session.journal.notes().get("verdict") or decide(session, address=address)

        return settlement.tell(session, settlement.settle(session, facts))


def decide(session: Session, *, address: str | None) -> dict[str, Any]:
    """Search, confirm, export and judge; return the verdict and all it rests on, as the journal holds it."""
    spec = session.spec
    with cluster.connected(address=address, log=session.folder / "ray.log") as dashboard:
        session.progress.event(f"study {spec.name} in {session.folder}; Ray dashboard {dashboard or 'none'}")
        slots = cluster.slots(gpus=spec.resources.gpus, cpus=spec.resources.cpus, concurrent=spec.resources.concurrent)
        cluster.probe(session.folder)
        yolo.scan_labels(session.staged)

        trials = search(session, slots)

        winner = best_trial(trials, spec.metric)
        session.progress.event(f"best trial is {winner.number}, {winner.state.lower()}: {shown(winner.params)}")

        gain = confirm(session, slots, trials, winner)

        side, candidate = settlement.candidate(session, gain)
        case = settlement.Case(winner, side, candidate, gain, export(session, candidate, slots))

        champion = champion_score(session, candidate, slots)

    verdict = settlement.judge(session, case, champion_score=champion)
    facts = settlement.evidence(session, case, verdict)
    session.journal.note("verdict", facts)
    return facts


def search(session: Session, slots: cluster.Slots) -> list[Trial]:
    """Run trials until the budget is spent, and return them."""
    spec = session.spec
    source = Search(
        frame=frame_of(session, slots),
        journal=session.journal,
        board=Board(session.folder, spec.search_space, metric=spec.metric),
        progress=session.progress,
        earlier=session.earlier,
    )
    try:
        if not source.finished:
            with session.progress.live():
                cluster.run(source, slots, retries=spec.resources.retries)
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


def frame_of(session: Session, slots: cluster.Slots) -> Frame:
    """Return what is fixed while the study runs."""
    return Frame(
        folder=session.folder,
        spec=session.spec,
        data=session.staged,
        gpus=slots.gpus,
        threads=max(1, int(slots.cpus)),
        concurrent=slots.concurrent,
    )


def confirm(session: Session, slots: cluster.Slots, trials: list[Trial], winner: Trial) -> Gain:
    """Train winner and default on fresh seeds, as far as not done in an earlier session, and compare them.

    Raises:
        StudyError: every re-training of a side failed.
    """
    spec, journal = session.spec, session.journal
    frame = frame_of(session, slots)
    pattern = frame.job(session.folder, number=0, params={}, seed=spec.seed)
    jobs = finals.plan(
        replace(pattern, split=spec.confirm.split),
        challenger=frame.placed(winner.params),
        default=frame.placed(trials[0].params),
        seeds=spec.confirm.seeds,
    )
    names = {job.number: name for name, job in jobs.items()}

    def on_end(job: Job, ending: Ending) -> None:
        name = names[job.number]
        journal.note(f"confirm:{name}", ending.to_dict())
        found = finals.score(job, ending)
        told = f"{spec.objective} {found.value:.4f} on {job.split}" if found else ending.reason
        session.progress.event(f"{name} {ending.state.lower()}: {told}")

    # One that failed is tried again in the next session: its cause may have been a mount that was away.
    done = {key for key, note in journal.notes().items() if key.startswith("confirm:") and note["final"]}
    left = deque(job for name, job in jobs.items() if f"confirm:{name}" not in done)
    source = finals.Retrainings(left, names, slots.concurrent, session.progress, on_end)
    if left:
        with session.progress.live():
            cluster.run(source, slots, retries=spec.resources.retries)
    if source.stopping:
        raise Interrupted
    return gain_of(session, jobs)


def gain_of(session: Session, jobs: Mapping[str, Job]) -> Gain:
    """Compare what the journal holds of the re-trainings."""
    notes = session.journal.notes()
    scores: dict[str, list[Score]] = {finals.CHALLENGER: [], finals.DEFAULT: []}
    for name, job in jobs.items():
        found = finals.score(job, Ending.from_dict(notes[f"confirm:{name}"]))
        if found:
            scores[name.partition("_")[0]].append(found)
    default = scores[finals.DEFAULT]
    # Where the default itself won, it is the challenger: the gain is nought and it is judged as such.
    won = scores[finals.CHALLENGER] or ([] if any(name.startswith(finals.CHALLENGER) for name in jobs) else default)
    if not won or not default:
        raise StudyError(f"{session.folder / finals.FOLDER}: every re-training of a side failed; see their log.txt")
    return finals.gain(won, default, confidence=session.spec.gates.confidence)


def export(session: Session, candidate: Score, slots: cluster.Slots) -> Engine:
    """Export the candidate and measure what ships, on a node that holds what a trial holds: a GPU, if there is any."""
    session.progress.event(f"candidate is {candidate.weights}; exporting")
    images = session.data.images[session.spec.confirm.split]
    job = Job.from_dict(read_yaml(candidate.weights.parent / PARAMS))
    built = cluster.call(
        partial(engine.build, images=images, engine=session.spec.export.engine),
        (candidate.weights, job, session.folder / "export"),
        slots,
    )
    session.progress.event(
        f"ONNX differs from torch by {built.onnx_difference:.2g} at most, scores {built.onnx_score:.4f} "
        f"(torch {built.torch_score:.4f}); engine: {built.builder or 'none'}"
    )
    for note in built.notes:
        session.progress.event(f"note: {note}")
    return built


def champion_score(session: Session, candidate: Score, slots: cluster.Slots) -> float | None:
    """Measure the serving champion on the images its rival was judged on; None where there is none."""
    serving = settlement.serving(session, candidate)
    if serving is None:
        return None
    value = cluster.call(engine.score, serving, slots)
    session.progress.event(f"the serving champion scores {value:.4f} on the same images")
    return value
