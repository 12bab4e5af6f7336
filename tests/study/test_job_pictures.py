"""The epochs after which a training shows pictures."""

from pathlib import Path

import pytest

from automl.study import Job


def job(*, every: int, validate_every: int = 1, epochs: int = 25) -> Job:
    return Job(
        folder=Path("f"), number=0, params={}, seed=0, epochs=epochs, model="m", data="d", metric="val/map50_95",
        settings={}, validate_every=validate_every, pictures_every=every,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("every", "validate_every", "epochs", "shown"),
    [
        (10, 1, 25, [1, 10, 20, 25]),
        (10, 3, 25, [3, 12, 21, 25]),  # the first that is validated, from a due one on
        (1, 1, 4, [1, 2, 3, 4]),
        (100, 1, 25, [1, 25]),
        (0, 1, 25, []),
    ],
)
def test_pictures_of_the_first_each_nth_and_the_last(
    every: int, validate_every: int, epochs: int, shown: list[int]
) -> None:
    given = job(every=every, validate_every=validate_every, epochs=epochs)

    assert [epoch for epoch in range(1, epochs + 1) if given.pictures(epoch)] == shown


def test_a_job_without_pictures_is_written_as_before() -> None:
    assert not job(every=0).to_dict().keys() & {"pictures_every", "histograms", "trainer"}
    assert Job.from_dict(job(every=3).to_dict()) == job(every=3)
