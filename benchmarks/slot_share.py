"""Share of the slot time of a finished search that was spent in training.

    python benchmarks/slot_share.py runs/smoke

By the study's own log and journal, as `scale.py --ray` counts it (`scale_ray.py`): the seconds of epochs, as trainings
measure them, by the time of the slots from the first start of a trial to the end of the last job of each slot. What an
epoch is followed by (the test of the best weights after the last one, a start, an answer) does not count as training.
For a study of one session; the last line is one JSON object.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.storage.place import read_spec
from benchmarks import scale_ray


def main() -> None:
    """Print the share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--slots", type=int, default=2, help="trials at a time (default: %(default)s)")
    given = parser.parse_args()
    print(json.dumps(scale_ray.figures(given.study, given.slots, metric=read_spec(given.study).metric)))


if __name__ == "__main__":
    main()
