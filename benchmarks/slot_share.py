"""Share of the slot time of a finished search that was spent in training, and what the rest was.

    python benchmarks/slot_share.py runs/smoke

By the study's own log and journal, as `scale.py --ray` counts it (`scale_ray.py`): the seconds of epochs, as trainings
measure them, by the time of the slots from the first start of a trial to the end of the last job of each slot. The rest
by part, as shares: `first_starts` of each slot's first job, with the imports of the node; `starts` of the others, taken
as the median of what is not epochs in jobs that ended at a rung; `after_last_epoch` what a job that trained to its end
has beyond that, which is the evaluation of its best weights; `between_jobs`. A slot without a further job while others
still train does not count: `unused_s`, the seconds until the last one ended. The log has whole seconds, so a part of
few jobs is known to some tenths of a second each. For a study of one session; the last line is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.storage.journal import Journal
from automl.storage.place import read_spec
from automl.study import Trial
from benchmarks import scale_ray
from benchmarks.scale_ray import Work


def main() -> None:
    """Print the share, and the parts of the rest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--slots", type=int, default=2, help="trials at a time (default: %(default)s)")
    given = parser.parse_args()
    metric = read_spec(given.study).metric
    trials = {trial.number: trial for trial in Journal.read(given.study, metric=metric).trials()}
    works = scale_ray.works_of((given.study / "study.log").read_text(encoding="utf-8"))
    found = scale_ray.figures(given.study, given.slots, metric=metric)
    print(json.dumps(found | parts(works, trials, given.slots)))


def parts(works: Sequence[Work], trials: Mapping[int, Trial], slots: int) -> dict[str, float]:
    """Return the parts of the slot time that are not epochs, as shares, and the seconds of slots without a job."""
    ordered = sorted(works, key=lambda work: work.began)
    rest = [work.ended - work.began - trained for work, trained in zip(ordered, _trained(ordered, trials), strict=True)]
    first, later = rest[:slots], [*zip(ordered, rest, strict=True)][slots:]
    at_rung = [seconds for work, seconds in later if work.event != "completed"]
    start = median(at_rung) if at_rung else 0.0
    after = sum(seconds - start for work, seconds in later if work.event == "completed")
    total = scale_ray.slot_seconds(list(works), slots)
    end, begin = max(work.ended for work in works), min(work.began for work in works)
    shares = {
        "first_starts": sum(first),
        "starts": sum(rest) - sum(first) - after,
        "after_last_epoch": after,
        "between_jobs": total - sum(work.ended - work.began for work in works),
    }
    unused = slots * (end - begin) - total
    return {name: round(seconds / total, 4) for name, seconds in shares.items()} | {"unused_s": round(unused, 1)}


def _trained(works: Sequence[Work], trials: Mapping[int, Trial]) -> list[float]:
    """Return the seconds of the epochs that each job trained, jobs in the order of their starts."""
    reached: dict[int, int] = {}
    found = []
    for work in works:
        before = reached.get(work.number, 0)
        reached[work.number] = max(before, work.epoch)
        epochs = trials[work.number].measurements
        found.append(sum(epoch.seconds for epoch in epochs if before < epoch.epoch <= work.epoch))
    return found


if __name__ == "__main__":
    main()
