"""Random single-bit flips anywhere in a registry: how many does `automl verify` find?

The registry has seven versions, moves, rollbacks, an override and signatures; `attacks/registry_flips.py` makes it and
flips, and counts tracebacks of the verbs as well, each of which is an error here.

    python benchmarks/registry_flips.py                     # 1,000 flips

Prints one JSON object on the last line; exit code 1 if a flip was not found or a verb ended in a traceback.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.attacks import registry_flips


def main() -> int:
    """Flip, check, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        counts = registry_flips.run(Path(place), tried=given.flips, seed=given.seed)
    print(json.dumps({"flips": counts["tried"], "found": counts["held"]}))
    return int(counts["held"] != counts["tried"] or counts["tracebacks"] > 0)


if __name__ == "__main__":
    sys.exit(main())
