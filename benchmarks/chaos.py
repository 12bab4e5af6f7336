"""What a study loses when its processes are killed at random: workers, nodes, drivers, on real micro trainings.

Starts a small Ray cluster of its own, runs studies on it one after the other until so many processes have been killed,
lets the last study end, and audits each. One JSON object on the last line; benchmarks/README.md tells how to read it.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import yaml

from benchmarks.chaos_audit import Audit, audit, begun
from benchmarks.chaos_cluster import Driver, Machines, beats, machines, wait

KINDS = ("worker", "worker", "worker", "training", "node", "driver")
"""Workers most often: so it is in life."""
PATIENCE = 180.0
"""Seconds after which a trial that has not gone on counts as not going on at all."""
HASTE = 0.2
"""Share of kills that do not wait until the one before is mended."""
SMOKE = Path(__file__).resolve().parents[1] / "search_spaces" / "smoke.yaml"


@dataclass
class Story:
    """What was done, and how long the mending took."""

    chance: Random
    kills: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    given_up: int = 0
    until: float = float("inf")
    """When the killing ends, by the monotonic clock."""

    def more(self, kills: int) -> bool:
        """Return True if there are fewer kills than that, and time is left."""
        return self.kills.total() < kills and time.monotonic() < self.until


def main() -> int:
    """Kill, look, print; exit 1 where anything was lost."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that its cluster ends with it
    story = Story(Random(options.seed), until=time.monotonic() + 60 * options.minutes)
    audits: list[Audit] = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as short:
        storage = options.folder or Path(short) / "s"
        with machines(Path(short), story.chance) as there:
            while story.more(options.kills) or not audits:
                study = storage / "runs" / f"chaos{len(audits):02d}"
                _live_through(study, there, story, options)
                audits.append(audit(study))
                print(f"{study.name}: {audits[-1]}", flush=True)
        found = _figures(story, audits)
    print(json.dumps(found))
    return int(bool(found["trials_lost"] or found["measurements_lost"] or found["epochs_repeated_max"] > 1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--trials", type=int, default=8, help="of each study")
    parser.add_argument("--pause", type=float, default=8.0, help="mean seconds between a mend and the next kill")
    parser.add_argument("--haste", type=float, default=HASTE, help="share of kills that do not wait for the mend")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which nothing more is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the victims")
    parser.add_argument("--spec", type=Path, help="description that the studies are made from; else the smoke study")
    parser.add_argument("--folder", type=Path, help="where the studies are kept; else they are thrown away")
    return parser.parse_args()


def _live_through(study: Path, there: Machines, story: Story, options: argparse.Namespace) -> None:
    """Run a study to its end, killing as long as kills are left."""
    driver = Driver(study, _spec(study, options), there.address, study.parents[1] / f"{study.name}.log")
    try:
        driver.start()
        while not _finished(study):
            if not driver.alive and not _finished(study):
                driver.start()
            if story.more(options.kills):
                wait(lambda: not driver.alive, seconds=story.chance.expovariate(1 / options.pause))
                _strike(there, driver, story, haste=options.haste)
            else:
                wait(lambda: not driver.alive, seconds=5)
    finally:
        driver.stop()


def _strike(there: Machines, driver: Driver, story: Story, *, haste: float) -> None:
    """Kill something, and wait until what it took goes on."""
    before, kind = beats(driver.study), story.chance.choice(KINDS)
    blows = {
        "worker": there.kill_worker,
        "training": there.kill_training,
        "node": there.kill_node,
        "driver": driver.kill,
    }
    gone = blows[kind]()
    if not gone:
        return  # nothing was training there: no kill
    began = time.monotonic()
    story.kills[kind] += 1
    if not driver.alive:
        driver.start()
    hit = {place: _attempts(place) for place, beat in before.items() if beat["process"] in gone}
    print(f"kill {story.kills.total()}: {kind}, {len(hit)} trainings hit", flush=True)
    if not hit or story.chance.random() < haste:
        return
    # After a driver's death not all of them need have a place again at once: the first shows that it goes on.
    ready = any if kind == "driver" else all

    def mended() -> bool:
        if not driver.alive and not _finished(driver.study):
            driver.start()  # it died with the node that it had joined by
        return ready(_went_on(place, was) for place, was in hit.items())

    if wait(mended, seconds=PATIENCE):
        story.seconds.append(time.monotonic() - began)
    else:
        story.given_up += 1
        print(f"not mended after {PATIENCE:.0f} s: {sorted(place.name for place in hit)}", flush=True)


def _attempts(place: Path) -> int:
    log = place / "log.txt"
    return max((attempt for attempt, _ in begun(log.read_text(errors="replace"))), default=0) if log.exists() else 0


def _went_on(place: Path, was: int) -> bool:
    """Tell whether a later attempt trains, or the training has ended."""
    return _attempts(place) > was or (place / "outcome.json").exists()


def _finished(study: Path) -> bool:
    """Tell whether a study has come to its verdict."""
    return (study / "report.html").exists()


def _spec(study: Path, options: argparse.Namespace) -> Path:
    """Write the description: the given one or the smoke study, smaller, without an engine."""
    described = yaml.safe_load((options.spec or SMOKE).read_text())
    described |= {
        "name": study.name,
        **({} if options.spec else {"model": str(SMOKE.parent / "models" / "micro.yaml")}),
        "budget": {"trials": options.trials},
        "resources": {"cpus": 1, "gpus": 0},
        "export": {"engine": "none"},
        "seed": int(study.name.removeprefix("chaos")),
    }
    path = study.parents[1] / f"{study.name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(described, sort_keys=False))  # a parent stands before its children
    return path


def _figures(story: Story, audits: list[Audit]) -> dict[str, Any]:
    return {
        "kills": story.kills.total(),
        "kinds": dict(story.kills),
        "studies": len(audits),
        "trials": sum(found.trials for found in audits),
        "trials_lost": sum(found.trials_lost for found in audits),
        "epochs_repeated_max": max((count for found in audits for count in found.epochs_repeated), default=0),
        "epochs_repeated": sum(sum(found.epochs_repeated) for found in audits),
        "measurements_lost": sum(found.measurements_lost for found in audits),
        "not_mended": story.given_up,
        "seconds_to_resume_median": round(median(story.seconds), 1) if story.seconds else None,
        "seconds_to_resume_max": round(max(story.seconds), 1) if story.seconds else None,
    }


if __name__ == "__main__":
    sys.exit(main())
