"""The confirmation of a study on a stand-in cluster: killed at any moment, it ends with the same plan and verdict."""

import random
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pytest

from automl import cluster
from automl.hpo.error_spending import EARLY_SHARE
from automl.hpo.rounds import Round, Stage, side_of
from automl.pipeline import confirm, extension
from automl.pipeline.session import Session
from automl.release.publish import Confirmed
from automl.storage import curves_file
from automl.study import Ending, Job, Measurement
from automl.study.errors import StudyError
from automl.study.results import DEFAULT
from automl.trials.retrainings import Retrainings
from tests.builders import METRIC, completed
from tests.release.test_publish import session_at

SLOTS = cluster.Slots(cpus=1.0, gpus=0.0, concurrent=2)
TRIALS = [
    completed(0, [0.40]),
    completed(1, [0.43], params={"lr0": 0.02, "optimizer": "SGD"}),
    completed(2, [0.425], params={"lr0": 0.03, "optimizer": "SGD"}),
]


class Killed(Exception):  # noqa: N818  (an event, no error)
    """Stands for a SIGKILL."""


def trained(done: Job) -> Ending:
    """Return what a re-training reaches: a gain of about the noise for params that differ, from its seed and params."""
    noise = random.Random(f"{done.seed} {done.params['lr0']}")
    height = 0.4 if done.params["lr0"] == 0.01 else 0.42
    values = [height + noise.gauss(0, 0.02) for _ in range(2)]
    curves_file.write_curves(done.folder, [Measurement(1, {METRIC: values[0]}, 1.0)])
    return Ending(final=Measurement(done.epochs, {METRIC: values[1]}, 1.0))


def stand_in(most: int, train: Callable[[Job], Ending] = trained) -> tuple[list[str], Callable[..., None]]:
    """Return the names of what was trained and a cluster that is killed after `most` trainings."""
    names: list[str] = []

    def run(source: Retrainings, _slots: object) -> None:
        while following := source.next_job():
            if len(names) == most:
                raise Killed
            names.append(following.folder.name)
            source.ended(following.number, train(following))

    return names, run


def confirmed(
    folder: Path,
    patch: pytest.MonkeyPatch,
    *,
    most: int = 99,
    train: Callable[[Job], Ending] = trained,
    slots: cluster.Slots = SLOTS,
    **given: int | str,
) -> tuple[list[str], Session, Confirmed | None]:
    """Confirm in one session; None where it was killed."""
    session = session_at(folder)
    session.spec = session.spec.model_copy(update={"confirm": session.spec.confirm.model_copy(
        update={"seeds": "auto", "retrainings": 20, **given})})  # fmt: skip
    names, run = stand_in(most, train)
    patch.setattr(cluster, "run", run)
    try:
        return names, session, confirm.confirm(session, slots, TRIALS)
    except Killed:
        return names, session, None


@pytest.mark.slow
@pytest.mark.parametrize("retrainings", [12, 26])
def test_a_confirmation_killed_anywhere_ends_with_the_same_plan_and_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retrainings: int
) -> None:
    whole, session, verdict = confirmed(tmp_path / "whole", monkeypatch, retrainings=retrainings)
    rounds = session.journal.notes()[extension.ROUNDS]
    assert len(rounds) > 2
    assert {plain["stage"] for plain in rounds} >= ({"choosing"} if retrainings >= 24 else set())
    assert len(whole) <= retrainings
    assert verdict is not None
    assert verdict.end is not None

    ends = accumulate(Round.from_dict(plain).size for plain in rounds)
    near = {end + more for end in ends for more in (-1, 0, 1)}
    for most in sorted({0, 1, *near} & set(range(len(whole)))):
        folder = tmp_path / str(most)
        before, _, killed = confirmed(folder, monkeypatch, most=most, retrainings=retrainings)
        after, again, done = confirmed(folder, monkeypatch, retrainings=retrainings)

        assert (killed, len(before)) == (None, most)
        assert before + after == whole
        assert again.journal.notes()[extension.ROUNDS] == rounds
        assert done is not None
        assert (done.winner, done.gain.low, done.gain.difference, done.end) == (
            verdict.winner, verdict.gain.low, verdict.gain.difference, verdict.end,
        )  # fmt: skip


def test_a_confirmation_begun_by_an_earlier_version_ends_by_its_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = Round(Stage.OPENING, dict.fromkeys(("trial1", DEFAULT), (0, 1, 2)), "trial1", share=EARLY_SHARE)
    plain = {key: value for key, value in former.to_dict().items() if key != "planned"}
    session_at(tmp_path).journal.note(extension.ROUNDS, [plain])

    names, session, done = confirmed(tmp_path, monkeypatch)

    assert done is not None
    rounds = [Round.from_dict(one) for one in session.journal.notes()[extension.ROUNDS]]
    assert rounds[0] == Round.from_dict(plain)
    assert len(rounds) > 1
    assert not any(played.planned for played in rounds)
    assert sum(played.share for played in rounds) <= 1
    assert len(names) <= 20


def test_more_slots_after_a_restart_make_larger_rounds_of_the_same_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, session, _ = confirmed(tmp_path, monkeypatch, most=7)
    rounds = session.journal.notes()[extension.ROUNDS]
    assert [Round.from_dict(plain).size for plain in rounds] == [6, 2]

    after, again, done = confirmed(tmp_path, monkeypatch, slots=cluster.Slots(cpus=1.0, gpus=0.0, concurrent=8))

    now = [Round.from_dict(plain) for plain in again.journal.notes()[extension.ROUNDS]]
    assert done is not None
    assert again.journal.notes()[extension.ROUNDS][:2] == rounds
    assert {played.size for played in now[2:]} <= {8, 4}
    assert {played.share for played in now} == {now[0].share}
    assert len(before) + len(after) <= 20


def test_a_confirmation_told_again_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, first = confirmed(tmp_path, monkeypatch)
    names, _, second = confirmed(tmp_path, monkeypatch)
    assert names == []
    assert first == second


def test_a_round_is_told_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, session, _ = confirmed(tmp_path, monkeypatch, most=0)
    assert len(session.journal.notes()[extension.ROUNDS]) == 1
    assert "confirming, opening: 3 seeds of trial1, 3 seeds of default" in (session.folder / "study.log").read_text()


def test_a_side_that_cannot_be_trained_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_default(done: Job) -> Ending:
        return Ending(cause="mount away") if done.folder.name.startswith(DEFAULT) else trained(done)

    with pytest.raises(StudyError, match=r"every re-training of a side failed: \w"):
        confirmed(tmp_path, monkeypatch, train=no_default)
    names, _, done = confirmed(tmp_path, monkeypatch)
    assert done is not None
    assert [name for name in names if name.startswith(DEFAULT)][:3] == [
        f"default_seed{1_000_000 + offset}" for offset in range(3)
    ]
    assert side_of(done.winner.number) in {"trial1", "trial2"}


def close(done: Job) -> Ending:
    """Return what a re-training reaches where the params are a little better than the noise shows at once."""
    value = (0.4 if done.params["lr0"] == 0.01 else 0.414) + (-0.01, 0.01, 0.0)[done.seed % 3]
    curves_file.write_curves(done.folder, [Measurement(1, {METRIC: value}, 1.0)])
    return Ending(final=Measurement(done.epochs, {METRIC: value}, 1.0))


def test_more_re_trainings_continue_a_confirmation_where_it_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, session, short = confirmed(tmp_path, monkeypatch, train=close, seeds=2, retrainings="auto")
    before = session.journal.notes()[extension.ROUNDS]
    assert short is not None
    assert len(first) == 4

    more, again, longer = confirmed(tmp_path, monkeypatch, train=close, seeds=2, retrainings=20)

    assert longer is not None
    rounds = [Round.from_dict(plain) for plain in again.journal.notes()[extension.ROUNDS]]
    assert again.journal.notes()[extension.ROUNDS][: len(before)] == before
    assert more
    assert not set(first) & set(more)
    assert set(longer.jobs) == {*first, *more}
    assert sum(played.share for played in rounds) < 1
    assert len(longer.gain.default) > len(short.gain.default)


def test_without_seeds_nothing_is_trained_and_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, _, found = confirmed(tmp_path, monkeypatch, seeds=0, retrainings="auto")
    assert names == []
    assert found is not None
    assert (found.winner.number, found.gain.challenger, found.gain.default, found.jobs) == (1, (), (), {})
    assert found.gain.low == float("-inf")


@pytest.mark.parametrize("content", [b"", bytes(99), b"epoch,seconds\n1,2\n1,2\n"])
def test_damaged_curves_of_a_re_training_never_stop_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    _, session, first = confirmed(tmp_path, monkeypatch)
    damaged = session.folder / "confirm" / "default_seed1000001" / "curves.csv"
    damaged.write_bytes(content)

    names, again, second = confirmed(tmp_path, monkeypatch)

    assert (names, second) == ([damaged.parent.name], first)
    assert damaged.with_name("curves.csv.damaged").read_bytes() == content
    assert "the re-training is made again" in (again.folder / "study.log").read_text()
    assert confirmed(tmp_path, monkeypatch)[0] == []
