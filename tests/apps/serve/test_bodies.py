"""Request bodies: bounded in length, time and memory, so that silent clients hold back no other."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from automl.apps.serve import bodies
from automl.apps.serve.bodies import Bodies
from automl.apps.serve.refusal import RequestError


async def parts(*sizes: int, then: float = 0.0) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)
    await asyncio.sleep(then)


async def length(held: Bodies, *sizes: int, then: float = 0.0) -> int:
    async with held.read(parts(*sizes, then=then)) as content:
        return len(content)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BYTES", 100)
    monkeypatch.setattr(bodies, "MAX_HELD_BYTES", 150)


def test_a_body_is_read_and_forgotten() -> None:
    async def many() -> list[int]:
        held = Bodies()
        return [await length(held, 40, 60) for _ in range(5)]

    assert asyncio.run(many()) == [100] * 5


def test_a_body_that_is_too_long_or_too_slow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.01)
    for sizes, then, code in (((60, 41), 0.0, 413), ((60,), 5.0, 408)):
        with pytest.raises(RequestError, match="must") as caught:
            asyncio.run(length(Bodies(), *sizes, then=then))
        assert caught.value.code == code


def test_the_incomplete_body_that_began_first_makes_room() -> None:
    async def flooded() -> tuple[list[object], int]:
        held = Bodies()
        silent = [asyncio.create_task(length(held, 70, then=60.0)) for _ in range(5)]
        await asyncio.sleep(0)
        prompt = await length(held, 90)
        return [*await asyncio.gather(*silent, return_exceptions=True)], prompt

    refused, prompt = asyncio.run(flooded())
    assert prompt == 90
    assert {str(error) for error in refused} == {"at most 150 bytes of images are held at once; try again"}


def test_a_body_waits_while_complete_ones_take_the_room() -> None:
    async def full() -> tuple[bool, int]:
        held = Bodies()
        async with held.read(parts(100)):
            assert await length(held, 50) == 50
            waiting = asyncio.create_task(length(held, 50, 1))
            done, _ = await asyncio.wait([waiting], timeout=0.05)
        return bool(done), await waiting

    assert asyncio.run(full()) == (False, 51)


def test_a_body_that_waits_in_vain_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

    async def full() -> None:
        held = Bodies()
        async with held.read(parts(100)):
            await length(held, 51)

    with pytest.raises(RequestError, match="must arrive within") as caught:
        asyncio.run(full())
    assert caught.value.code == 408
