"""What studies lose when their processes are killed at random, on real micro trainings.

Starts a small Ray cluster of its own, runs studies on it one after the other until so many processes have been killed,
lets the last study end, and audits each. Killed are workers of Ray, trainings, nodes, drivers, two of these at once,
the head's control store, which keeps its state and comes back, and the whole cluster, in whose place one without that
state comes; the storage is unmounted and mounted again (where this user may mount). Drivers are also killed on purpose
during confirmation, export and publication. With `--results FILE` sessions add up. With `--twins N` each N-th study
runs one trial at a time and a second time without kills: both must come to the same champion. The sampler weighs
measured seconds from its eighth trial on, so such a study has four.
One JSON object on the last line; benchmarks/README.md tells how to read it.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import yaml

from automl.storage.layout import VERDICT
from benchmarks.chaos_audit import audit, begun
from benchmarks.chaos_blows import AIMED, WEIGHTS, Blow, Blows, Storage, mounted, stage_of
from benchmarks.chaos_cluster import NODES, Driver, Machines, beats, machines, trains, wait
from benchmarks.chaos_record import Record

PATIENCE = 180.0
"""Seconds after which a trial that has not gone on counts as not going on at all."""
HASTE = 0.2
"""Share of kills that do not wait until the one before is mended."""
TWIN_TRIALS: Final = 4
"""Of a study that is run a second time without a kill, and of that one."""
DELAY: Final = 0.6
"""Most seconds from the begin of a stage to the kill that is aimed at it."""
EARLY: Final = 0.05
"""Share of the moments without a training at which something is killed all the same: else no driver would get far."""
AT_A_STAGE: Final = 2
"""Kills aimed at one stage of one study."""
RETRIES: Final = 100
"""Losses in a row at one epoch that a trial survives: kills seconds apart would otherwise end it, as they should."""
CALM: Final = "calm"
"""End of the name of a study without kills."""
SMOKE = Path(__file__).resolve().parents[1] / "search_spaces" / "smoke.yaml"


@dataclass
class Story:
    """What is done, with what, and how long."""

    chance: Random
    record: Record
    options: argparse.Namespace
    until: float = float("inf")
    """When the killing ends, by the monotonic clock."""
    storage: Storage | None = None

    @property
    def more(self) -> bool:
        """Return True if there are fewer kills than asked for, and time is left."""
        return self.record.kills < self.options.kills and time.monotonic() < self.until


def main() -> int:
    """Kill, look, print; exit 1 where anything was lost."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that its cluster ends with it
    record = Record(options.results)
    story = Story(Random(f"{options.seed} {record.studies}"), record, options, time.monotonic() + 60 * options.minutes)
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, ExitStack() as stack:
        short = Path(name)
        real = options.folder or short / "kept"
        story.storage = stack.enter_context(mounted(short / "s", real))
        storage = story.storage.place if story.storage else real
        there = stack.enter_context(machines(short, story.chance))
        begun = record.studies
        while story.more or record.studies == begun:
            _study(storage / "runs" / f"chaos{record.studies:03d}", there, story)
    found = record.figures()
    print(json.dumps(found))
    return int(bool(found["trials_lost"] or found["measurements_lost"] or found["epochs_repeated_max"] > 1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="in all, those of earlier sessions in --results included")
    parser.add_argument("--trials", type=int, default=8, help="of each study")
    parser.add_argument("--nodes", type=int, default=NODES, help="of one core each, so many trainings at a time")
    parser.add_argument("--pause", type=float, default=8.0, help="mean seconds between a mend and the next kill")
    parser.add_argument("--haste", type=float, default=HASTE, help="share of kills that do not wait for the mend")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which nothing more is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the victims")
    parser.add_argument("--spec", type=Path, help="description that the studies are made from; else the smoke study")
    parser.add_argument("--folder", type=Path, help="where the studies are kept; else they are thrown away")
    parser.add_argument("--results", type=Path, help="file of kills and audits that several sessions add to")
    parser.add_argument("--kinds", nargs="+", choices=sorted(WEIGHTS), default=sorted(WEIGHTS), help="of the kills")
    parser.add_argument(
        "--twins", type=int, default=0, help="every so many studies runs one trial at a time, and again without kills"
    )
    return parser.parse_args()


def _study(study: Path, there: Machines, story: Story) -> None:
    """Run one study with kills, and the same one without, where its turn has come; audit it."""
    every = story.options.twins
    twin = bool(every) and story.record.studies % every == 0
    there.resize(1 if twin else story.options.nodes)
    trials = TWIN_TRIALS if twin else story.options.trials
    began = time.monotonic()
    _live_through(study, there, story, trials)
    same = None
    if twin:
        calm = study.with_name(f"{study.name}{CALM}")
        _live_through(calm, there, story, trials, calm=True)
        same = _champion(study) == _champion(calm)
    story.record.audited(study.name, found := audit(study), same_champion=same)
    print(f"{study.name}: {found}, {time.monotonic() - began:.0f} s, same champion: {same}", flush=True)


def _champion(study: Path) -> tuple[Any, ...]:
    """Return what a study ships, and how its finalist and the baseline scored on fresh seeds."""
    verdict = json.loads((study / VERDICT).read_text(encoding="utf-8"))
    shipped = verdict["shipped"]
    return shipped["name"], shipped["params"], verdict["trial"], verdict["challenger"], verdict["default"]


def _live_through(study: Path, there: Machines, story: Story, trials: int, *, calm: bool = False) -> None:
    """Run a study to its end, killing as long as kills are left."""
    beside = story.options.folder or there.folder  # not on the storage, which goes away
    spec = _spec(study, story.options, trials, beside)
    driver = Driver(study, spec, there.address, beside / f"{study.name}.log")
    blows, aims = Blows(there, driver, story.chance, story.storage), dict.fromkeys(AIMED, 0)
    try:
        driver.start()
        while not _finished(study):
            if not driver.alive and not _finished(study):
                driver.start()
            if calm or not story.more:
                wait(lambda: not driver.alive, seconds=5)
            elif (stage := _waited(study, driver, aims, story)) in aims and driver.alive:
                aims[stage] += 1
                _strike(blows, driver, story, {"driver": 1.0})
            elif trains(study) or story.chance.random() < EARLY:
                _strike(blows, driver, story, {kind: WEIGHTS[kind] for kind in story.options.kinds})
    finally:
        driver.stop()


def _waited(study: Path, driver: Driver, aims: dict[str, int], story: Story) -> str:
    """Wait for the next kill; return the stage that it is aimed at, empty if at none."""
    due, before = time.monotonic() + story.chance.expovariate(1 / story.options.pause), stage_of(study)
    while driver.alive and time.monotonic() < due:
        stage = stage_of(study)
        if stage in aims and (stage != before or stage != "confirm") and aims[stage] < AT_A_STAGE:
            time.sleep(story.chance.uniform(0, DELAY))
            return stage
        before = stage
        time.sleep(0.05)
    return ""


def _strike(blows: Blows, driver: Driver, story: Story, kinds: dict[str, float]) -> None:
    """Kill something, and wait until what it took goes on."""
    before, stage = beats(driver.study), stage_of(driver.study)
    blow = blows.drawn(kinds)
    if not blow.gone and (blow.kind != "driver" or stage in {"search", "confirm"}):
        return  # nothing was training there: no kill
    began = time.monotonic()
    if not driver.alive and not _finished(driver.study):
        driver.start()
    hit = {place: _attempts(place) for place, beat in before.items() if beat["process"] in blow.gone}
    print(f"kill {story.record.kills + 1}: {blow.kind} in {stage}, {len(hit)} trainings hit", flush=True)
    waits = bool(hit) and story.chance.random() >= story.options.haste
    mended = waits and wait(lambda: _mended(driver, hit, blow), seconds=PATIENCE)
    seconds = round(time.monotonic() - began, 1) if mended else None
    given_up = waits and not mended
    story.record.add(driver.study.name, kind=blow.kind, stage=stage, seconds=seconds, given_up=given_up)
    if given_up:
        print(f"not mended after {PATIENCE:.0f} s: {sorted(place.name for place in hit)}", flush=True)


def _mended(driver: Driver, hit: dict[Path, int], blow: Blow) -> bool:
    """Tell whether what was hit goes on; a driver that died with the node that it had joined by is started again."""
    if _finished(driver.study):
        return True
    if not driver.alive:
        driver.start()
    if blow.kind in {"store", "storage"}:  # its trainings need not have ended
        return True
    # After a driver's death not all of them need have a place again at once: the first shows that it goes on.
    ready = any if blow.kind in {"driver", "head", "pair"} else all
    return ready(_went_on(place, was) for place, was in hit.items())


def _attempts(place: Path) -> int:
    log = place / "log.txt"
    return max((attempt for attempt, _ in begun(log.read_text(errors="replace"))), default=0) if log.exists() else 0


def _went_on(place: Path, was: int) -> bool:
    """Tell whether a later attempt trains, or the training has ended."""
    return _attempts(place) > was or (place / "outcome.json").exists()


def _finished(study: Path) -> bool:
    """Tell whether a study has come to its verdict."""
    return (study / "report.html").exists()


def _spec(study: Path, options: argparse.Namespace, trials: int, folder: Path) -> Path:
    """Write the description: the given one or the smoke study, smaller, without an engine."""
    described = yaml.safe_load((options.spec or SMOKE).read_text())
    described |= {
        "name": study.name,
        **({} if options.spec else {"model": str(SMOKE.parent / "models" / "micro.yaml")}),
        "budget": {"trials": trials},
        "resources": {"cpus": 1, "gpus": 0, "retries": RETRIES},
        "export": {"engine": "none"},
        "seed": int(study.name.removeprefix("chaos").removesuffix(CALM)),
    }
    path = folder / f"{study.name}.yaml"
    path.write_text(yaml.safe_dump(described, sort_keys=False))  # a parent stands before its children
    return path


if __name__ == "__main__":
    sys.exit(main())
