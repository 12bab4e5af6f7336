"""launch/slurm.sh in a real Slurm of one node: own configuration, daemons and key in a temporary folder."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from automl.trainers import registration
from tests import tiny_trainer
from tests.free_port import free_port
from tests.launch.shell import TREE

MISSING = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if not shutil.which(name)]
CONFIGURATION = """
ClusterName=automl
SlurmctldHost={host}
SlurmctldPort={ctld}
SlurmdPort={slurmd}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
InactiveLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
STUDY = {
    "name": "cards", "model": tiny_trainer.MODEL, "budget": {"trials": 4},
    "ladder": {"min_epochs": 4, "max_epochs": 8}, "train": {"optimizer": "SGD", "imgsz": 32},
    "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01}}, "export": {"engine": "none", "end_to_end": False},
    "confirm": {"seeds": 2},
}  # fmt: skip


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a running Slurm."""
    if MISSING:
        pytest.skip(f"{', '.join(MISSING)}: not installed: apt-get install slurmd slurmctld munge")
    if os.geteuid():
        pytest.skip("the daemons of Slurm run as root")
    for name in ("state", "spool"):
        (tmp_path / name).mkdir()
    key, settings = tmp_path / "munge.key", tmp_path / "slurm.conf"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    host = socket.gethostname().split(".")[0]
    ports = {"ctld": free_port(), "slurmd": free_port()}
    settings.write_text(CONFIGURATION.format(host=host, folder=tmp_path, cpus=os.cpu_count(), **ports))
    (tmp_path / "cgroup.conf").write_text(f"CgroupPlugin=cgroup/v1\nCgroupMountpoint={tmp_path}\n")
    environment = {**os.environ, "SLURM_CONF": str(settings)}
    munge = ["--foreground", "--force", "--key-file", str(key), "--socket", str(tmp_path / "munge.socket"),
             "--pid-file", str(tmp_path / "munge.pid"), "--log-file", str(tmp_path / "munge.log"),
             "--seed-file", str(tmp_path / "munge.seed")]  # fmt: skip
    with ExitStack() as ended:
        for command in (["munged", *munge], ["slurmctld", "-D", "-f", str(settings)],
                        ["slurmd", "-D", "-f", str(settings), "-N", host]):  # fmt: skip
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ended.callback(process.wait)
            ended.callback(process.terminate)
            time.sleep(1.0)
        yield environment


def asked(environment: dict[str, str], *command: str, folder: Path) -> str:
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.ray
@pytest.mark.slow
def test_a_study_runs_as_a_slurm_job(slurm: dict[str, str], tmp_path: Path, data: Path) -> None:
    spec, log = tmp_path / "cards.yaml", tmp_path / "job.log"
    spec.write_text(json.dumps(STUDY | {"data": str(data)}))
    environment = slurm | {
        "PYTHON": sys.executable, "AUTOML_STORAGE": str(tmp_path), "PYTHONPATH": str(TREE),
        registration.REGISTERED: f"{tiny_trainer.NAME}={tiny_trainer.__name__}",
        registration.CHOSEN: tiny_trainer.NAME, "HOME": str(tmp_path), "TMPDIR": "/tmp",
    }  # fmt: skip
    command = ["sbatch", "--parsable", "--cpus-per-task=2", f"--output={log}", "launch/slurm.sh", str(spec)]
    job = asked(environment, *command, folder=TREE).strip()
    until = time.monotonic() + 240
    try:
        while job in asked(environment, "squeue", "--noheader", "--format=%i", folder=TREE).split():
            assert time.monotonic() < until, log.read_text() if log.exists() else "no log"
            time.sleep(1.0)
    finally:
        subprocess.run(["scancel", job], env=environment, capture_output=True, check=False)
        ray_log = TREE / f"ray-{job}.log"
        started = ray_log.read_text() if ray_log.exists() else ""
        ray_log.unlink(missing_ok=True)
    said = log.read_text()
    assert "study took" in said, said + started
    assert (tmp_path / "models" / "cards").is_dir()
    assert not Path(f"/tmp/automl-{job}").exists()
