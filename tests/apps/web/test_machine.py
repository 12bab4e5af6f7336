"""Use of the machine: from `/proc`, measured at intervals."""

from pathlib import Path

from automl.apps.web import machine
from automl.apps.web.machine import Gpu, Machine, gpus_in


def written(proc: Path, *, idle: int, busy: int) -> None:
    proc.mkdir(exist_ok=True)
    (proc / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3 4\n")
    (proc / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n")


def test_the_share_of_the_cores_is_that_of_the_time_between(tmp_path: Path) -> None:
    now = [0.0]
    found = Machine(tmp_path, clock=lambda: now[0], proc=tmp_path / "proc")
    written(tmp_path / "proc", idle=100, busy=100)
    first = found.use()
    assert first is not None
    assert (first.busy, first.memory_used, first.memory) == (None, 614_400, 1_024_000)
    written(tmp_path / "proc", idle=130, busy=110)
    assert found.use() is first
    now[0] = machine.EVERY_SECONDS
    second = found.use()
    assert second is not None
    assert second.busy == 0.25


def test_without_proc_nothing_is_shown(tmp_path: Path) -> None:
    assert Machine(tmp_path, proc=tmp_path / "none").use() is None


def test_a_gpu_with_other_values_is_left_out() -> None:
    assert gpus_in("0, [N/A], 1, 2\n1, 5, 1, 2\n\n") == (Gpu(1, 5, 1 << 20, 2 << 20),)
