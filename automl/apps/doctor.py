"""Checks of machine and cluster before a run, as rows: OK, WARNING or FAULT, each of the latter with a remedy."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.cluster.connection import LEAST_FILES
from automl.cluster.survey import Surveyed
from automl.storage import ray_token
from automl.storage.node_facts import OFF, NodeFacts
from automl.study.text import GB, amount, one_line

OK, WARNING, FAULT = "OK", "WARNING", "FAULT"
LEAST_DRIVER: Final = {11: 450, 12: 525, 13: 580}
"""Least major version of the driver by CUDA's: https://docs.nvidia.com/deploy/cuda-compatibility/."""
FEW_FILES: Final = 4096
"""Open files below which Ray itself advises a higher limit for its head."""
SMALL_SHM: Final = 2 * GB
LEAST_SHM: Final = 128 * 10**6
"""Docker's default of 64 MB is too small for the batches of PyTorch's loaders."""
LITTLE_DISK, LEAST_DISK = 20 * GB, GB
SKEW, LARGE_SKEW = 2.0, 60.0
"""Seconds; heartbeats of other nodes are compared with the driver's clock."""
OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class Row:
    """One check on one machine."""

    check: str
    node: str
    state: str
    found: str
    remedy: str = ""


def rows_of(nodes: Sequence[Surveyed], storage: Path, *, token: str | None = None) -> list[Row]:
    """Return the rows of all nodes; the first node's packages are compared with those of the others.

    `token` is the digest of this side's token, with which that of each node of a cluster is compared.
    """
    first = next((node.facts for node in nodes if node.facts), None)
    compared = [] if token is None else [_token(node.facts, token) for node in nodes if node.facts]
    return [row for node in nodes for row in _of_node(node, storage, first)] + compared


def failed(rows: Sequence[Row]) -> bool:
    """Return True if a row is a fault."""
    return any(row.state == FAULT for row in rows)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the rows as a table, and how many are faults and warnings; a description's mistakes are lines below."""
    widths = [max(len(getattr(row, name)) for row in rows) for name in ("check", "node")]
    for row in rows:
        first, *more = row.found.split("\n")
        remedy = f"; {row.remedy}" if row.remedy else ""
        yield one_line(f"{row.state:7}  {row.check:{widths[0]}}  {row.node:{widths[1]}}  {first}{remedy}")
        yield from (one_line(f"{'':9}{line}") for line in more)
    faults, warnings = (sum(row.state == state for row in rows) for state in (FAULT, WARNING))
    yield f"{len(rows)} checks: {faults} faults, {warnings} warnings"


def _of_node(node: Surveyed, storage: Path, first: NodeFacts | None) -> Iterator[Row]:
    facts = node.facts
    if facts is None:
        yield Row("node", node.name, FAULT, node.problem, "see its log, ray/session_latest/logs/raylet.out on it")
        return
    yield _driver(facts)
    yield _tensorrt(facts)
    yield _gpus(facts, node.gpus)
    yield _packages(facts, first or facts)
    yield _storage(facts, node.problem, storage)
    for check, free, place in (
        ("disk of the storage", facts.storage_free, str(storage)), ("temporary disk", facts.temp_free, "$TMPDIR"),
    ):  # fmt: skip
        state = FAULT if free < LEAST_DISK else WARNING if free < LITTLE_DISK else OK
        yield Row(check, node.name, state, f"{amount(free)} free", f"make room in {place}" if state != OK else "")
    yield _shm(facts)
    yield _files(facts)
    yield _ports(facts)
    state = FAULT if node.skew >= LARGE_SKEW else WARNING if node.skew >= SKEW else OK
    yield Row("clock", node.name, state, f"{node.skew:.1f} s off", "run chrony or ntpd on it" if state != OK else "")
    for path in facts.missing:
        yield Row("file", node.name, FAULT, f"{path}: is not there", "put it on storage that all nodes mount")


def _driver(facts: NodeFacts) -> Row:
    cuda, driver = facts.torch_cuda, facts.driver
    found = f"driver {driver or 'none'}, torch {facts.packages.get('torch', 'none')}, CUDA {cuda or 'none'}"
    if "torch" not in facts.packages:
        return Row("driver and torch", facts.name, FAULT, found, "pip install -c constraints.txt torch")
    if not driver:
        if facts.devices:
            return Row("driver and torch", facts.name, FAULT, found, "load NVIDIA's kernel module: modprobe nvidia")
        return Row("driver and torch", facts.name, OK, f"{found}: trainings use the CPU")
    if not cuda:
        return Row("driver and torch", facts.name, FAULT, found, "install a build of torch with CUDA")
    least = LEAST_DRIVER.get(int(cuda.split(".")[0]), 0)
    if int(driver.split(".")[0]) < least:
        remedy = f"install driver {least} or newer, or a build of torch for an older CUDA"
        return Row("driver and torch", facts.name, FAULT, found, remedy)
    return Row("driver and torch", facts.name, OK, found)


def _tensorrt(facts: NodeFacts) -> Row:
    builders = {name: version for name, version in facts.packages.items() if name.startswith("tensorrt")}
    found = ", ".join(f"{name} {version}" for name, version in builders.items()) or "none: no engine is built"
    wanted = facts.torch_cuda.split(".")[0]
    other = [name for name in builders if "-cu" in name and wanted and not name.endswith(f"-cu{wanted}")]
    if other:
        remedy = f"install the package for CUDA {wanted}, that of torch, in place of {', '.join(other)}"
        return Row("TensorRT", facts.name, WARNING, found, remedy)
    return Row("TensorRT", facts.name, OK, found)


def _gpus(facts: NodeFacts, counted: float) -> Row:
    found = f"{facts.devices} devices, Ray counts {counted:g}"
    if facts.devices and counted < facts.devices:
        remedy = "see CUDA_VISIBLE_DEVICES and --num-gpus of ray start, and the container's GPUs"
        return Row("GPUs", facts.name, WARNING, found, remedy)
    return Row("GPUs", facts.name, OK, found)


def _packages(facts: NodeFacts, first: NodeFacts) -> Row:
    names = ("ray", "torch", "ultralytics")
    versions = [(name, facts.packages.get(name, "none"), first.packages.get(name, "none")) for name in names]
    found = ", ".join(f"{name} {here}" for name, here, _ in versions)
    if differ := [f"{name} {there}" for name, here, there in versions if here != there]:
        return Row("packages", facts.name, FAULT, found, f"install as on {first.name}: {', '.join(differ)}")
    return Row("packages", facts.name, OK, found)


def _storage(facts: NodeFacts, unseen: str, storage: Path) -> Row:
    if problem := facts.storage_problem or unseen:
        remedy = "mount one folder at the same path on all nodes, writable; set $AUTOML_STORAGE or --storage"
        return Row("storage", facts.name, FAULT, f"{storage}: {problem}", remedy)
    return Row("storage", facts.name, OK, f"{storage}: writable")


def _shm(facts: NodeFacts) -> Row:
    state = FAULT if facts.shm < LEAST_SHM else WARNING if facts.shm < SMALL_SHM else OK
    remedy = "docker run --shm-size 8g, or an emptyDir of medium Memory at /dev/shm" if state != OK else ""
    return Row("/dev/shm", facts.name, state, amount(facts.shm), remedy)


def _files(facts: NodeFacts) -> Row:
    state = FAULT if facts.files_hard < LEAST_FILES else WARNING if facts.files_soft < FEW_FILES else OK
    found = f"{facts.files_soft} open files, at most {facts.files_hard}"
    return Row("file descriptors", facts.name, state, found, "ulimit -n 65536" if state != OK else "")


def _ports(facts: NodeFacts) -> Row:
    if facts.port_problem:
        remedy = "give the host's name an address of this machine in /etc/hosts, and allow connections to it"
        return Row("ports", facts.name, FAULT, f"its own address does not answer: {facts.port_problem}", remedy)
    if facts.unreachable:
        found = f"no answer from {', '.join(facts.unreachable)}"
        remedy = "open these ports between the nodes; ray start fixes them: --node-manager-port, --object-manager-port"
        return Row("ports", facts.name, FAULT, found, remedy)
    others = f"; {facts.reached} ports of the cluster answer" if facts.reached else ""
    return Row("ports", facts.name, OK, f"its own address answers{others}")


def _token(facts: NodeFacts, here: str) -> Row:
    if facts.token == here:
        found = {OFF: "authentication is off, as here", "": "none, as here"}.get(here, "the same as here")
        return Row("token", facts.name, OK, found)
    found = {OFF: "authentication is off there", "": "none there"}.get(facts.token, "another than here")
    return Row("token", facts.name, FAULT, found, "copy the head's token to this side and to each node, mode 600")


def token_row(node: str, *, wanted: bool) -> Row:
    """Return the row of the token on this side; `wanted` for a cluster that is joined."""
    path = ray_token.path()
    if not ray_token.required():
        remedy = "export RAY_AUTH_MODE=token on all nodes: else whoever reaches a port runs code"
        return Row("token", node, WARNING, "authentication is off", remedy)
    if os.environ.get("RAY_AUTH_TOKEN"):
        return Row("token", node, OK, "in RAY_AUTH_TOKEN")
    if not path.is_file():
        state, remedy = (FAULT, "copy it from the head, mode 600") if wanted else (OK, "")
        return Row("token", node, state, f"{path}: none" + ("" if wanted else "; an embedded Ray makes it"), remedy)
    if stat.S_IMODE(path.stat().st_mode) & OTHERS:
        return Row("token", node, WARNING, f"{path}: readable by others", f"chmod 600 {path}")
    return Row("token", node, OK, f"{path}: readable by its owner alone")
