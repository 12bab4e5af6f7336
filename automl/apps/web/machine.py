"""Use of the machine on which the page runs: processors, memory, disk, and GPUs of NVIDIA."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from automl.study.text import amount

EVERY_SECONDS: Final = 4.0
"""Between two measurements; a share of the processors is that of the time between."""
TOOL_SECONDS: Final = 5.0
TOOL: Final = "nvidia-smi"
QUERY: Final = ("--query-gpu=index,utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits")
MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Gpu:
    """Use of one GPU, in percent and bytes."""

    number: int
    percent: int
    used: int
    memory: int


@dataclass(frozen=True, slots=True)
class Use:
    """Use of a machine; memory and disk in bytes."""

    cores: int
    busy: float | None
    """Share of all cores, 0 to 1; None before the second measurement."""
    memory_used: int
    memory: int
    disk_free: int
    gpus: tuple[Gpu, ...] = ()

    @property
    def values(self) -> dict[str, str]:
        """Return the values of the texts."""
        return {
            "cores": str(self.cores), "busy": "-" if self.busy is None else f"{self.busy:.0%}",
            "used": amount(self.memory_used), "memory": amount(self.memory), "free": amount(self.disk_free),
        }  # fmt: skip


@dataclass(slots=True)
class Machine:
    """Measurements of this machine, shared by all browsers."""

    storage: Path
    clock: Callable[[], float] = time.monotonic
    proc: Path = Path("/proc")
    _use: Use | None = None
    _at: float = float("-inf")
    _ticks: tuple[int, int] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def use(self) -> Use | None:
        """Return the last measurement, a new one if it is old; None where this system has no `/proc`."""
        if self.clock() - self._at >= EVERY_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._use = self._measured()
            except (OSError, ValueError, KeyError, IndexError):
                self._use = None
            finally:
                self._at = self.clock()
                self._lock.release()
        return self._use

    def _measured(self) -> Use:
        before, self._ticks = self._ticks, ticks((self.proc / "stat").read_text(encoding="ascii"))
        idle, all_ = (now - then for now, then in zip(self._ticks, before or self._ticks, strict=True))
        lines = (self.proc / "meminfo").read_text(encoding="ascii").splitlines()
        memory = {name: 1024 * int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        used = memory["MemTotal"] - memory["MemAvailable"]
        free = shutil.disk_usage(self.storage).free
        busy = 1 - idle / all_ if all_ else None
        return Use(os.cpu_count() or 1, busy, used, memory["MemTotal"], free, gpus())


def ticks(stat: str) -> tuple[int, int]:
    """Return the idle ticks of all cores and all their ticks, from the text of `/proc/stat` (proc(5)).

    >>> ticks("cpu  10 0 5 80 5 0 0 0 0 0")
    (85, 100)
    """
    values = [int(word) for word in stat.splitlines()[0].split()[1:9]]
    return values[3] + values[4], sum(values)


def gpus() -> tuple[Gpu, ...]:
    """Return the use of the GPUs of NVIDIA; none where their tool is not installed or does not answer."""
    tool = shutil.which(TOOL)
    if tool is None:
        return ()
    try:
        text = subprocess.run([tool, *QUERY], capture_output=True, text=True, timeout=TOOL_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return gpus_in(text)


def gpus_in(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of the tool's lines: index, percent, MiB used, MiB in all; those with other values are left out.

    >>> gpus_in("0, 97, 1024, 81920")
    (Gpu(number=0, percent=97, used=1073741824, memory=85899345920),)
    """
    rows = [[word.strip() for word in line.split(",")] for line in text.splitlines()]
    return tuple(
        Gpu(int(row[0]), int(row[1]), int(row[2]) * MIB, int(row[3]) * MIB)
        for row in rows
        if len(row) == 4 and all(word.isdecimal() for word in row)
    )
