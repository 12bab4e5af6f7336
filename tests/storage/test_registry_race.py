"""Several processes publish under one name at once: each waits for its turn, and no version is half written."""

import subprocess
import sys
from pathlib import Path

import pytest

from automl.storage import registry_check
from automl.storage.registry import CHAMPION, Registry
from tests.builders import written

PROCESSES, EACH = 4, 5
WRITER = """
import sys
from pathlib import Path
from automl.storage.registry import Registry
folder, which, each = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
registry = Registry(folder / "models", "boards")
print("ready", flush=True)
sys.stdin.readline()
for number in range(each):
    name = f"{which}-{number}"
    version = registry.publish({"best.pt": folder / f"{name}.pt"}, {"promotion.json": {"study": name}})
    registry.promote(version, why=name)
"""


@pytest.mark.slow
def test_writers_of_one_name_all_succeed_and_readers_see_whole_versions_only(tmp_path: Path) -> None:
    for which in range(PROCESSES):
        for number in range(EACH):
            written(tmp_path, f"{which}-{number}.pt", f"weights {which} {number} " * 1000)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(which), str(EACH)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for which in range(PROCESSES)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("\n")
        writer.stdin.flush()
    registry, seen = Registry(tmp_path / "models", "boards"), list[str]()
    while any(writer.poll() is None for writer in writers):
        seen += registry_check.problems(registry)
    said = [writer.communicate()[1] for writer in writers]

    assert seen == []
    assert [writer.returncode for writer in writers] == [0] * PROCESSES, said
    assert "Traceback" not in "".join(said)
    assert registry.versions() == list(range(1, PROCESSES * EACH + 1))
    assert registry_check.problems(registry) == []
    assert len(registry.history()) == 2 * PROCESSES * EACH
    assert registry.aliases()[CHAMPION] in registry.versions()
