"""Facts of a machine that decide whether trainings run on it: driver, packages, disks, limits, ports, files."""

import hashlib
import os
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Final

from automl.storage import environment, node_ports, ray_token

DEVICES: Final = "nvidia[0-9]*"
OFF: Final = "off"
DIGITS: Final = 16
DISTRIBUTIONS: Final = (
    "ray", "torch", "torchvision", "ultralytics", "onnxruntime", "tensorrt", "tensorrt-cu12", "tensorrt-cu13",
    "tensorrt-rtx-cu12", "tensorrt-rtx-cu13",
)  # fmt: skip
CUDA: Final = re.compile(r"^cuda\b[^=]*=\s*['\"]([\d.]+)['\"]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a machine says of itself; sizes in bytes, `at` by its own clock in seconds."""

    name: str
    at: float
    driver: str
    devices: int
    packages: dict[str, str]
    torch_cuda: str
    """CUDA version that PyTorch was built for, empty for a build without CUDA."""
    shm: int
    temp_free: int
    storage_free: int
    storage_problem: str
    files_soft: int
    files_hard: int
    missing: tuple[str, ...]
    """Files that were asked for and are not there, or cannot be read."""
    port_problem: str = ""
    """Why it cannot reach a port of its own by the address of its name."""
    reached: int = 0
    """Ports of the cluster that were tried from here."""
    unreachable: tuple[str, ...] = ()
    """Those of them at which nothing answers, with the reason."""
    token: str = ""
    """Digest of Ray's token here, `off` without authentication, empty where there is none."""


def facts(name: str, storage: Path, wanted: Sequence[str] = (), ports: Sequence[str] = ()) -> NodeFacts:
    """Return the facts of this machine; `wanted` are files that must be readable, `ports` must be reachable."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = [2**62 if one == resource.RLIM_INFINITY else one for one in (soft, hard)]
    return NodeFacts(
        name=name,
        at=time.time(),
        driver=environment.driver(environment.DRIVER),
        devices=len([*Path("/dev").glob(DEVICES)]),
        packages={one: found for one in DISTRIBUTIONS if (found := _version(one))},
        torch_cuda=_torch_cuda(),
        shm=_size("/dev/shm", free=False),
        temp_free=_size(tempfile.gettempdir(), free=True),
        storage_free=_size(str(storage), free=True),
        storage_problem=_storage_problem(storage),
        files_soft=limit[0],
        files_hard=limit[1],
        missing=tuple(one for one in wanted if not os.access(one, os.R_OK)),
        port_problem=node_ports.own_problem(),
        reached=len(ports),
        unreachable=tuple(node_ports.unreachable(ports)),
        token=token_digest(),
    )


def token_digest() -> str:
    """Return a digest of the token with which this process talks to Ray: equal on two sides that fit."""
    if not ray_token.required():
        return OFF
    try:
        return hashlib.sha256(ray_token.text().encode()).hexdigest()[:DIGITS]
    except OSError:
        return ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _torch_cuda() -> str:
    """Return PyTorch's CUDA version from its file: to import it takes seconds."""
    spec = util.find_spec("torch")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "version.py"
        if path.is_file() and (found := CUDA.search(path.read_text(encoding="utf-8"))):
            return found[1]
    return ""


def _size(path: str, *, free: bool) -> int:
    """Return the free or the whole size of a file system, 0 where there is none."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return 0
    return usage.free if free else usage.total


def _storage_problem(storage: Path) -> str:
    """Return why files cannot be written, read and deleted in a folder, empty if they can."""
    try:
        with tempfile.NamedTemporaryFile(dir=storage, prefix=".doctor-") as file:
            file.write(b"automl")
            file.flush()
            same = Path(file.name).read_bytes() == b"automl"
    except OSError as error:
        return str(error.strerror)
    return "" if same else "returns another content than was written"
