"""The story of a study, from its description to a champion, in eight steps; `automl search` and `search.py` tell it.

Each step can be told again: a study that was interrupted goes on where it stood, one that is finished says so.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from automl import cluster, durable, engine, finals, promotion, report, yolo
from automl.board import Board
from automl.errors import StudyError
from automl.records import Ending, Engine, Gain, Job, Promotion, Score, Trial
from automl.session import SPEC, Place, Session, opened
from automl.spec import StudySpec, read_yaml
from automl.study import Frame, Search, best_trial
from automl.trial import PARAMS
from automl.wording import duration, shown

DEFAULT_SPEC: Final = Path(__file__).resolve().parents[1] / "search_spaces" / "smoke.yaml"


@dataclass(frozen=True, slots=True)
class Case:
    """What is laid before the judge."""

    winner: Trial
    challenger: Score
    gain: Gain
    engine: Engine


class Interrupted(Exception):  # noqa: N818  (an event, no error)
    """The study was asked to stop; everything is kept."""


def run(spec: StudySpec, place: Place, *, address: str | None, console: Console) -> Promotion:
    """Search, confirm, export, judge, promote and report.

    Raises:
        Interrupted: asked to stop by a signal; `resume` goes on.
        AutomlError: a condition that the user can mend.
    """
    with opened(spec, place, console=console) as session:
        if done := session.journal.notes().get("promotion"):
            session.progress.event("study is finished: nothing to do")
            return tell(session, done)

        with cluster.connected(address=address, log=session.folder / "ray.log") as dashboard:
            session.progress.event(f"study {spec.name} in {session.folder}; Ray dashboard {dashboard or 'none'}")
            slots = cluster.slots(
                gpus=spec.resources.gpus, cpus=spec.resources.cpus, concurrent=spec.resources.concurrent
            )
            cluster.probe(session.folder)

            trials = search(session, slots)

            winner = best_trial(trials, spec.metric)
            session.progress.event(f"best trial is {winner.number}: {shown(winner.params)}")

            gain = confirm(session, slots, trials, winner)

        challenger = finals.shipped(gain.challenger, metric=spec.metric)
        case = Case(winner, challenger, gain, export(session, challenger))

        champion = champion_score(session, challenger)
        verdict = promotion.judge(case.gain, case.engine, spec.laws, champion_score=champion)

        done = settle(session, case, verdict)
        return tell(session, done)


def search(session: Session, slots: cluster.Slots) -> list[Trial]:
    """Run trials until the budget is spent, and return them."""
    spec = session.spec
    source = Search(
        frame=frame_of(session, slots),
        journal=session.journal,
        board=Board(session.folder, spec.search_space, metric=spec.metric),
        progress=session.progress,
    )
    try:
        if not source.finished:
            with session.progress.live():
                cluster.run(source, slots, retries=spec.resources.retries)
            session.progress.show(source.view, now=True)
    finally:
        source.close()
    if source.stopping:
        raise Interrupted
    if source.hopeless:
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
    pattern = frame_of(session, slots).job(session.folder, number=0, params={}, seed=spec.seed)
    jobs = finals.plan(
        replace(pattern, split=spec.confirm.split),
        challenger=winner.params,
        default=trials[0].params,
        seeds=spec.confirm.seeds,
    )
    names = {job.number: name for name, job in jobs.items()}

    def on_end(job: Job, ending: Ending) -> None:
        name = names[job.number]
        journal.note(f"confirm:{name}", ending.to_dict())
        found = finals.score(job, ending)
        told = f"{spec.objective} {found.value:.4f} on {job.split}" if found else ending.reason
        session.progress.event(f"{name} {ending.state.lower()}: {told}")

    left = deque(job for name, job in jobs.items() if f"confirm:{name}" not in journal.notes())
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


def export(session: Session, challenger: Score) -> Engine:
    """Export the challenger and measure what ships."""
    session.progress.event(f"challenger is {challenger.weights}; exporting")
    images = session.data.images[session.spec.confirm.split]
    job = Job.from_dict(read_yaml(challenger.weights.parent / PARAMS))
    built = engine.build(
        challenger.weights, job, session.folder / "export", images=images, engine=session.spec.export.engine
    )
    session.progress.event(
        f"ONNX differs from torch by {built.onnx_difference:.2g} at most, scores {built.onnx_score:.4f} "
        f"(torch {built.torch_score:.4f}); engine: {built.builder or 'none'}"
    )
    for note in built.notes:
        session.progress.event(f"note: {note}")
    return built


def champion_score(session: Session, challenger: Score) -> float | None:
    """Measure the serving champion on the split the challenger was judged on; None where there is none."""
    registry = session.place.registry(session.spec)
    number = registry.aliases().get("champion")
    if number is None:
        return None
    weights = registry.path(number) / "best.pt"
    card = read_yaml(registry.path(number) / "params.yaml")
    if durable.sha256(weights) == durable.sha256(challenger.weights):
        return None
    job = Job.from_dict(read_yaml(challenger.weights.parent / PARAMS) | {"settings": card["settings"]})
    scratch = session.folder / "export" / "champion"
    durable.copy(weights, scratch / "best.pt")
    value = yolo.validate(scratch / "best.pt", job, split=job.split)[job.metric]
    session.progress.event(f"champion (version {number}) scores {value:.4f} on the same images")
    return value


def settle(session: Session, case: Case, verdict: Promotion) -> dict[str, Any]:
    """Publish the challenger, move the alias if it was accepted, write it all down and report."""
    registry = session.place.registry(session.spec)
    facts = evidence(session, case, verdict)
    files = {
        "best.pt": case.challenger.weights,
        "model.onnx": case.engine.onnx,
        "params.yaml": case.challenger.weights.parent / PARAMS,
        "study.yaml": session.folder / SPEC,
    } | ({"model.engine": case.engine.plan} if case.engine.plan else {})
    version = registry.publish(files, {"promotion.json": facts})
    if verdict.accepted:
        registry.promote(version, why=f"study {session.spec.name}: {verdict.reasons[0]}")
    facts |= {"version": version}
    durable.write_json(session.folder / "promotion.json", facts)
    report.write(session.folder, session.spec, session.journal.trials(), facts, data=session.data)
    session.journal.note("promotion", facts)
    return facts


def evidence(session: Session, case: Case, verdict: Promotion) -> dict[str, Any]:
    """Return the verdict and all it rests on, as plain values."""
    challenger, gain, built = case.challenger, case.gain, case.engine
    return {
        "study": session.spec.name,
        "accepted": verdict.accepted,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "trial": case.winner.number,
        "params": dict(case.winner.params),
        "seed": challenger.seed,
        "objective": session.spec.objective,
        "split": session.spec.confirm.split,
        "challenger": [score.value for score in gain.challenger],
        "default": [score.value for score in gain.default],
        "difference": gain.difference,
        "lower_bound": gain.low,
        "confidence": gain.confidence,
        "metrics": dict(challenger.metrics),
        "torch_score": built.torch_score,
        "onnx_score": built.onnx_score,
        "onnx_difference": built.onnx_difference,
        "engine": built.builder,
        "engine_score": built.plan_score,
        "data": session.data.fingerprint,
        "names": dict(session.data.names),
    }


def tell(session: Session, facts: Mapping[str, Any]) -> Promotion:
    """Say how the study ended and what to type next."""
    say = session.progress.event
    mean = sum(facts["challenger"]) / len(facts["challenger"])
    default = sum(facts["default"]) / len(facts["default"])
    for reason in facts["reasons"]:
        say(f"gate {reason}")
    registry = session.place.registry(session.spec)
    against = f"{facts['objective']} {mean:.4f} against the default's {default:.4f} on {facts['split']}"
    if facts["accepted"]:
        say(f"champion {registry.name}: version {facts['version']}, {against}")
    elif any("gain over the default" in reason and reason.startswith("refused") for reason in facts["reasons"]):
        say(f"no significant gain over the default: {against}; nothing was promoted, which is a proper result")
    else:
        say(f"challenger refused: {against}; the champion stays as it was")
    version = registry.path(facts["version"])
    say(f"search took {duration(float(session.journal.notes().get('seconds', 0)))}; files of version {version.name}:")
    for path in sorted(version.iterdir()):
        say(f"  {path} ({path.stat().st_size / 1e6:.2f} MB)")
    say("next:")
    say(f"  tensorboard --logdir {session.folder}")
    say(f"  open {session.folder / 'report.html'}")
    name = "champion" if facts["accepted"] else facts["version"]
    say(f"  automl serve {registry.folder} --version {name}")
    say("  curl --data-binary @image.jpg http://127.0.0.1:8000/predict")
    return Promotion(facts["accepted"], tuple(facts["reasons"]), tuple(facts["notes"]))
