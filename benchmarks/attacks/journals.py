"""Damage of journals, curves, job files and leases: each is refused in one message, or recovered as the rule says.

The rule of recovery: the beginning of one line at the end of a journal is left out and kept aside, nothing else. A case
is held if an `AutomlError` names the file and no byte was changed, or if what was read is what was written up to there.
A wrong value without a message and any other exception count as not held and are printed.

    python -m benchmarks.attacks.journals --tried 4000
"""

import argparse
import json
import random
import sys
import tempfile
import traceback
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from automl.storage import curves_file, job_file, journal_format, journal_lines
from automl.storage.journal import Journal
from automl.storage.layout import ATTEMPT, CURVES, JOURNAL, PARAMS
from automl.study import Ending, Job, Kind, Loss, Measurement, Params, Trial
from automl.study.errors import AutomlError
from automl.study.space import Choice, Real, SearchSpace
from automl.trials import lease

METRIC: Final = "val/map50_95"
SPACE: Final = SearchSpace({
    "lr0": Real(1e-4, 0.1, 0.01, log=True), "optimizer": Choice(("SGD", "AdamW"), "SGD"),
})  # fmt: skip
TRIALS: Final = 5
EPOCHS: Final = 4
DEEP: Final = 100_000
DIGITS: Final = 5_000

Damage = Callable[[bytes, random.Random], bytes]


def measurement(epoch: int, value: float) -> Measurement:
    """Return an epoch's metrics."""
    return Measurement(epoch, {METRIC: value, "val/loss": 1.5 - value, "train/box_loss": 2.0 / epoch}, 3.25)


def write_journal(folder: Path) -> bytes:
    """Write a journal with all kinds of lines that a study has, and return its bytes."""
    journal = Journal.create(folder, name="attacked", metric=METRIC)
    for number in range(TRIALS):
        params: Params = {"lr0": 0.001 * (number + 1), "optimizer": "SGD"}
        journal.suggested(params, SPACE, seed=number, origin="model")
        for epoch in range(1, EPOCHS + 1):
            journal.measured(number, measurement(epoch, 0.1 * number + 0.01 * epoch), node="node-1")
        if number == 1:
            journal.lost(number, Loss(Kind.NODE, "node lost", epoch=2, node="node-1"))
        if number < TRIALS - 1:
            journal.ended(number, Ending(final=measurement(EPOCHS, 0.1 * number + 0.04)))
        journal.note("elapsed", {"seconds": 60.0 * number, "at": "", "stages": {}, "stage": "search", "places": 2})
    return (folder / JOURNAL).read_bytes()


def flips(content: bytes, chance: random.Random) -> bytes:
    """Flip one to three bits."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def zeros(content: bytes, chance: random.Random) -> bytes:
    """Overwrite a range with zeros."""
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.randint(1, 600))
    return content[:start] + bytes(end - start) + content[end:]


def foreign(content: bytes, chance: random.Random) -> bytes:
    """Overwrite a range with random bytes."""
    start = chance.randrange(len(content))
    return content[:start] + chance.randbytes(chance.randint(1, 40)) + content[start + 20 :]


def inserted(content: bytes, chance: random.Random) -> bytes:
    """Insert random bytes."""
    start = chance.randrange(len(content))
    return content[:start] + chance.randbytes(chance.randint(1, 20)) + content[start:]


def on_lines(change: Callable[[list[bytes], random.Random], list[bytes]]) -> Damage:
    """Return a damage of whole lines."""
    return lambda content, chance: b"".join(change(content.splitlines(keepends=True), chance))


def exchanged(lines: list[bytes], chance: random.Random) -> list[bytes]:
    """Exchange two lines."""
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def removed(lines: list[bytes], chance: random.Random) -> list[bytes]:
    """Remove some lines, but not to the end: a file that ends earlier is a cut."""
    start = chance.randrange(len(lines) - 1)
    return lines[:start] + lines[chance.randint(start + 1, len(lines) - 1) :]


def repeated(lines: list[bytes], chance: random.Random) -> list[bytes]:
    """Repeat some lines somewhere else."""
    start, place = chance.randrange(len(lines)), chance.randrange(len(lines) + 1)
    return lines[:place] + lines[start : start + chance.randint(1, 5)] + lines[place:]


ANYWHERE: Final[dict[str, Damage]] = {
    "bit flips": flips,
    "cut": lambda content, chance: content[: chance.randrange(len(content))],
    "zeros": zeros,
    "foreign bytes": foreign,
    "inserted bytes": inserted,
    "two lines exchanged": on_lines(exchanged),
    "lines removed": on_lines(removed),
    "lines repeated": on_lines(repeated),
}
"""Damages at random places."""
WHOLE: Final[dict[str, Damage]] = {
    "CR LF": lambda content, _: content.replace(b"\n", b"\r\n"),
    "CR": lambda content, _: content.replace(b"\n", b"\r"),
    "UTF-16": lambda content, _: content.decode().encode("utf-16"),
    "UTF-16 without mark": lambda content, _: content.decode().encode("utf-16-le"),
    "UTF-32": lambda content, _: content.decode().encode("utf-32"),
    "byte-order mark": lambda content, _: b"\xef\xbb\xbf" + content,
    "blanks at line ends": lambda content, _: content.replace(b"\n", b" \n"),
    "blank lines": lambda content, _: content.replace(b"\n", b"\n\n"),
    "all zeros": lambda content, _: bytes(len(content)),
    "zeros at the end": lambda content, _: content + bytes(20_000),
    "no line ends": lambda content, _: content.replace(b"\n", b""),
    "twice in itself": lambda content, _: content * 2,
    "half a file twice": lambda content, _: content + content[: len(content) // 2],
    "upside down": on_lines(lambda lines, _: lines[::-1]),
    "60 damaged lines": lambda content, _: content + b'{"op_code":2,"crc":1}\n' * 60,
    "no checksums": lambda content, _: b"".join(
        line.partition(b',"prev":')[0] + b"}\n" for line in content.splitlines()
    ),
    "a log of something else": lambda _, __: b"2026-11-28 10:00:00 INFO started\n" * 50,
    "a list": lambda _, __: b"[1,2,3]\n",
}
"""Damages of whole files, one case each."""
ADD: Final = '{"op_code":2,"study_id":0,"worker_id":"w","user_attr":{"confirm:default_seed1":'
ODD: Final[Sequence[dict[str, Any] | str]] = (
    {"op_code": 999, "worker_id": "w"},
    {"op_code": "8", "worker_id": "w"},
    {"worker_id": "w"},
    {"op_code": 2, "study_id": 0, "worker_id": "w"},
    {"op_code": 2, "study_id": 0, "worker_id": "w", "user_attr": {}},
    {"op_code": 4, "study_id": 0, "worker_id": "w", "datetime_start": "noon"},
    {"op_code": 4, "study_id": 0, "worker_id": "w", "datetime_start": None, "params": {"lr0": 1}},
    {"op_code": 6, "trial_id": TRIALS - 1, "worker_id": "w", "state": 77},
    {"op_code": 7, "trial_id": TRIALS - 1, "worker_id": "w", "step": [], "intermediate_value": 0.1},
    {"op_code": 8, "trial_id": TRIALS - 1, "worker_id": "w", "user_attr": [1]},
    {"op_code": 8, "trial_id": TRIALS - 1, "worker_id": "w", "user_attr": {"epoch:5": {"epoch": 5}}},
    {"op_code": 8, "trial_id": TRIALS - 1, "worker_id": "w", "user_attr": {"epoch:five": None}},
    {"op_code": 8, "trial_id": TRIALS - 1, "worker_id": "w", "user_attr": {"ending": {"kind": "tired", "cause": "x"}}},
    {"op_code": 8, "trial_id": TRIALS - 1, "worker_id": "w", "user_attr": {"losses": [{"kind": "node"}]}},
    ADD + "[" * DEEP + "]" * DEEP + "}}",
    ADD + '{"a":' * DEEP + "1" + "}" * DEEP + "}}",
    ADD + "9" * DIGITS + "}}",
    ADD + "NaN}}",
)
"""Lines that are none of a study although their checksums hold: dicts, or the text of a line."""


def with_line(content: bytes, line: dict[str, Any] | str) -> bytes:
    """Append a line with a checksum and chain that hold."""
    before = zlib.crc32(content)
    if isinstance(line, dict):
        return content + journal_format.sealed(line, before)
    body = f'{line[:-1]},"prev":{before}}}'.encode()
    return content + b'%b,"crc":%d}\n' % (body[:-1], zlib.crc32(body))


class Target:
    """A file that is attacked: how it is read, and whether what was read is right."""

    def __init__(self, folder: Path, name: str, read: Callable[[Path], object]) -> None:
        """Keep the undamaged bytes and what they are read as."""
        self.name, self.read = name, read
        self.whole = (folder / name).read_bytes()
        self.right = read(folder)

    def holds(self, folder: Path, content: bytes) -> bool:
        """Return True if damaged content is refused, or read as what was written."""
        (folder / self.name).write_bytes(content)
        try:
            found = self.read(folder)
        except AutomlError as error:
            return self.name in str(error) and (folder / self.name).read_bytes() == content
        return found == self.right


class JournalTarget(Target):
    """A journal: also recovered at its end, and refused alike by readers and writers."""

    def holds(self, folder: Path, content: bytes) -> bool:
        """Return True if a damaged journal is refused unchanged, or recovered without the loss of a whole line."""
        path = folder / JOURNAL
        path.write_bytes(content)
        try:
            found = trials_in(folder)
        except AutomlError as error:
            return JOURNAL in str(error) and self._refused(folder, content)
        end = content.rfind(b"\n") + 1
        if not self.whole.startswith(content[:end]):
            return False
        (folder / "part").mkdir()
        (folder / "part" / JOURNAL).write_bytes(content[:end])
        told = bool(Journal.read(folder, metric=METRIC).warnings)
        writer = Journal.create(folder, name="attacked", metric=METRIC)
        kept = [path.read_bytes() for path in folder.glob(f"{JOURNAL}{journal_lines.DROPPED}*")]
        rest = [content[end:]] if content[end:] else []
        return (
            found == trials_in(folder / "part") == writer.trials()
            and (kept, told) == (rest, bool(rest))
            and (not end or path.read_bytes() == content[:end])
        )

    def _refused(self, folder: Path, content: bytes) -> bool:
        try:
            Journal.create(folder, name="attacked", metric=METRIC).trials()
        except AutomlError:
            return (folder / JOURNAL).read_bytes() == content and not list(folder.glob(f"{JOURNAL}.*"))
        return False


def trials_in(folder: Path) -> list[Trial]:
    """Return the trials of a journal."""
    return Journal.read(folder, metric=METRIC).trials()


def targets_in(folder: Path) -> list[Target]:
    """Write the files that are attacked."""
    folder.mkdir()
    write_journal(folder)
    curves_file.write_curves(folder, [measurement(epoch, 0.1 * epoch) for epoch in range(1, 9)])
    job = Job(folder, 3, {"lr0": 0.01}, 7, 8, "yolo11n.pt", "data.yaml", METRIC, {"batch": 8, "imgsz": 640})
    job_file.write(job)
    lease.acquire(folder)
    return [
        JournalTarget(folder, JOURNAL, trials_in),
        Target(folder, CURVES, curves_file.read_curves),
        Target(folder, PARAMS, job_file.read),
        Target(folder, ATTEMPT, lease.latest),
    ]


def cases(targets: Sequence[Target], chance: random.Random) -> list[tuple[Target, str, bytes]]:
    """Return the cases that are always tried: damages of whole files, and odd lines with good checksums."""
    journal = targets[0]
    found = [(target, name, damage(target.whole, chance)) for target in targets for name, damage in WHOLE.items()]
    return found + [(journal, f"odd line {str(line)[:80]}", with_line(journal.whole, line)) for line in ODD]


def run(folder: Path, *, tried: int, seed: int) -> dict[str, float]:
    """Try so many damages, the fixed ones first, and return how many were tried and held."""
    chance = random.Random(seed)
    targets = targets_in(folder / "whole")
    fixed = cases(targets, chance)
    held = 0
    for number in range(tried):
        if number < len(fixed):
            target, name, content = fixed[number]
        else:
            target = chance.choices(targets, weights=[6, 3, 1, 1])[0]
            name, damage = chance.choice(list(ANYWHERE.items()))
            content = damage(target.whole, chance)
        place = folder / f"{number}"
        place.mkdir()
        held += is_held(target, place, content, name)
    return {"tried": tried, "held": held}


def is_held(target: Target, place: Path, content: bytes, name: str) -> bool:
    """Return True if a case is held; print one that is not."""
    try:
        held = target.holds(place, content)
    except Exception:  # noqa: BLE001  (what is looked for: an exception that is no AutomlError)
        traceback.print_exc()
        held = False
    if not held:
        print(f"not held: {target.name}: {name}, in {place}", file=sys.stderr)
    return held


def main() -> None:
    """Attack in a temporary folder and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tried", type=int, default=4000, help="cases, the fixed ones included")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"journals": run(Path(folder), tried=given.tried, seed=given.seed)}))


if __name__ == "__main__":
    main()
