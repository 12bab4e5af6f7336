"""What launch/, Dockerfile and the ignore files promise: they are valid, shut by default, and hold no secret."""

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from automl.trainers.yolo import offline
from tests.kuberay_schema import RAY_JOB

TREE = Path(__file__).resolve().parents[2]
LAUNCH = TREE / "launch"
SCRIPTS = ("launch/local.sh", "launch/slurm.sh", "launch/submit.sh")
MANIFESTS = ("storage.yaml", "tensorboard.yaml")
OURS = [*sorted(path for path in LAUNCH.rglob("*") if path.is_file()), TREE / "Dockerfile"]
KUBERNETES = "1.37"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((LAUNCH / name).read_text()))


def ray_job() -> dict[str, Any]:
    return documents("rayjob.yaml")[0]


def pods() -> dict[str, dict[str, Any]]:
    """Return the pod templates of the RayJob by role."""
    cluster = ray_job()["spec"]["rayClusterSpec"]
    workers = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {"head": cluster["headGroupSpec"]["template"], **workers}


def tool(name: str) -> str:
    """Return a checker that the dev extra installs beside Python."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, f"{name} must be installed, but is not: pip install -e '.[dev]'"
    return found


def checked_by(*command: str) -> None:
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, as the rehearsal reads them."""
    script = LAUNCH / "rehearse.py"
    done = subprocess.run([sys.executable, script, "--list"], capture_output=True, text=True, check=True)
    told = [line.removeprefix("left out").removeprefix("runs").strip() for line in done.stdout.splitlines()]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in told)]


def image_environment() -> dict[str, str]:
    variables = shlex.split(next(rest for word, rest in instructions() if word == "ENV"))
    return dict(variable.split("=", 1) for variable in variables)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_no_mistake_that_bash_or_shellcheck_knows(script: str) -> None:
    checked_by("bash", "-n", script)
    checked_by(tool("shellcheck"), script)
    assert os.access(TREE / script, os.X_OK)


def test_the_dockerfile_has_no_mistake_that_hadolint_knows() -> None:
    checked_by(tool("hadolint"), "Dockerfile")


def test_the_compose_file_holds_to_the_compose_specification() -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(documents("compose.yaml")[0], json.loads(schema.read_text()))


def test_the_cluster_file_holds_to_rays_own_schema() -> None:
    schema = resources.files("ray") / "autoscaler" / "ray-schema.json"
    jsonschema.validate(documents("cluster.yaml")[0], json.loads(schema.read_text()))


def test_the_ray_job_holds_to_the_field_reference_of_kuberay() -> None:
    jsonschema.validate(ray_job(), RAY_JOB)


def test_the_schema_of_the_ray_job_refuses_a_misspelt_key() -> None:
    job = ray_job()
    job["spec"]["rayClusterSpec"]["authOption"] = {}
    with pytest.raises(jsonschema.ValidationError, match="authOption"):
        jsonschema.validate(job, RAY_JOB)


def test_the_ray_job_passes_the_checks_of_the_operator() -> None:
    """KubeRay's `ValidateRayJobSpec` and `ValidateRayClusterSpec` (commit 0074504), where they concern our fields."""
    job, cluster = ray_job(), ray_job()["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,45}[a-z0-9])?", job["metadata"]["name"])  # 47 characters, a DNS label
    assert tuple(map(int, cluster["rayVersion"].split("."))) >= (2, 52, 0)  # for authOptions.mode: token
    assert job["spec"]["shutdownAfterJobFinishes"]  # else ttlSecondsAfterFinished is refused
    assert isinstance(yaml.safe_load(job["spec"]["runtimeEnvYAML"]), dict)
    for group in groups:
        assert not group.get("resources"), "only one of rayStartParams and resources may state CPUs and GPUs"
        assert "labels" not in group["rayStartParams"]
        names = {variable["name"] for variable in group["template"]["spec"]["containers"][0]["env"]}
        assert not names & {"RAY_REDIS_ADDRESS", "REDIS_USERNAME", "RAY_enable_autoscaler_v2"}


@pytest.mark.parametrize("role", ["head", "gpu"])
def test_a_pod_of_the_ray_job_holds_to_kubernetes_own_schema(role: str) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": role}, "spec": pods()[role]["spec"]}
    importlib.import_module("kubernetes_validate").validate(pod, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_holds_to_kubernetes_own_schema(name: str) -> None:
    for document in documents(name):
        importlib.import_module("kubernetes_validate").validate(document, KUBERNETES, strict=True)


def test_token_authentication_is_on_on_both_sides() -> None:
    cluster = documents("cluster.yaml")[0]
    compose = documents("compose.yaml")[0]
    for script in SCRIPTS:
        assert re.search(r"^export .*\bRAY_AUTH_MODE=token\b", (TREE / script).read_text(), re.MULTILINE), script
    for role in ("head", "worker"):
        assert "RAY_AUTH_MODE=token" in cluster[f"{role}_start_ray_commands"][-1], role
    assert ray_job()["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert compose["services"]["head"]["environment"]["RAY_AUTH_MODE"] == "token"
    assert image_environment()["RAY_AUTH_MODE"] == "token"


def test_every_own_node_gets_the_token_as_a_file_for_its_owner_alone() -> None:
    cluster = documents("cluster.yaml")[0]
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for role in ("head", "worker"):
        assert cluster[f"{role}_start_ray_commands"][0] == "chmod 600 ~/.ray/auth_token"


def test_the_container_gets_the_token_as_a_file() -> None:
    compose = documents("compose.yaml")[0]
    assert compose["services"]["head"]["secrets"] == ["ray_token"]
    assert set(compose["secrets"]["ray_token"]) == {"file"}
    assert compose["services"]["head"]["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_file_holds_a_token(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\b[0-9a-f]{32,}\b", text)
    assert not re.search(r"RAY_AUTH_TOKEN\s*[:=]\s*[\"']?\w", text)
    assert not re.search(r"(?i)\b(password|secret_?key|api_?key)\b\s*[:=]\s*\S", text)


def test_what_listens_answers_this_machine_only() -> None:
    compose = documents("compose.yaml")[0]
    published = [port for service in compose["services"].values() for port in service["ports"]]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert "--dashboard-host 127.0.0.1" in (LAUNCH / "local.sh").read_text()
    assert "--dashboard-host 127.0.0.1" in documents("cluster.yaml")[0]["head_start_ray_commands"][-1]


def test_what_listens_on_kubernetes_answers_the_cluster_only() -> None:
    deployment, service, policy = documents("tensorboard.yaml")
    head = ray_job()["spec"]["rayClusterSpec"]["headGroupSpec"]
    assert service["spec"]["type"] == "ClusterIP"
    assert policy["spec"]["podSelector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]
    assert not head.keys() & {"serviceType", "enableIngress", "ingressOptions", "headService"}


def test_nothing_runs_as_root() -> None:
    deployment = documents("tensorboard.yaml")[0]
    assert [rest for word, rest in instructions() if word == "USER"] == ["$UID"]
    for template in (*pods().values(), deployment["spec"]["template"]):
        assert template["spec"]["securityContext"]["runAsNonRoot"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_ends_nothing_that_it_did_not_start(script: str) -> None:
    code = "\n".join(line for line in (TREE / script).read_text().splitlines() if not line.lstrip().startswith("#"))
    assert not re.search(r"ray stop|pkill|killall", code)


def test_a_stop_has_the_time_it_needs_before_the_kill() -> None:
    environment = yaml.safe_load(ray_job()["spec"]["runtimeEnvYAML"])["env_vars"]
    seconds = int(environment["RAY_JOB_STOP_WAIT_TIME_S"])
    assert environment["RAY_JOB_STOP_SIGNAL"] == "SIGTERM"
    assert seconds >= 30
    assert all(pod["spec"]["terminationGracePeriodSeconds"] > seconds for pod in pods().values())
    assert int(documents("compose.yaml")[0]["services"]["head"]["stop_grace_period"].removesuffix("s")) > seconds


def test_a_study_on_kubernetes_outlives_its_cluster() -> None:
    spec = ray_job()["spec"]
    claim = documents("storage.yaml")[0]
    assert spec["shutdownAfterJobFinishes"]
    assert spec["backoffLimit"] > 0
    assert "--name" in shlex.split(spec["entrypoint"])
    assert "PersistentVolumeClaim" not in {document["kind"] for document in documents("rayjob.yaml")}
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in pods().values():
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        environment = {variable["name"]: variable["value"] for variable in pod["spec"]["containers"][0]["env"]}
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert environment["AUTOML_STORAGE"] == mounts["storage"]
        assert volumes["storage"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_no_trial_runs_on_the_head() -> None:
    cluster = ray_job()["spec"]["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert "--num-cpus 0" in documents("cluster.yaml")[0]["head_start_ray_commands"][-1]
    limits = {role: pod["spec"]["containers"][0]["resources"]["limits"] for role, pod in pods().items()}
    assert {role for role, limit in limits.items() if "nvidia.com/gpu" in limit} == {"gpu"}


def test_the_workers_are_all_there_when_a_study_counts_them() -> None:
    cluster = documents("cluster.yaml")[0]
    assert "RAY_enable_autoscaler_v2=0" in cluster["head_start_ray_commands"][-1]  # ray#59905
    assert cluster["max_workers"] == len(cluster["provider"]["worker_ips"])
    for group in ray_job()["spec"]["rayClusterSpec"]["workerGroupSpecs"]:
        assert group["minReplicas"] == group["replicas"] == group["maxReplicas"]


def test_the_image_shuts_the_doors_that_the_program_shuts() -> None:
    assert image_environment().items() >= offline.ENVIRONMENT.items()


def test_the_image_installs_only_what_the_constraints_pin() -> None:
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert all("pip install -c constraints.txt" in install for install in installs)


def test_a_change_of_our_code_does_not_install_the_dependencies_anew() -> None:
    words = [f"{word} {rest}" for word, rest in instructions()]
    dependencies = next(number for number, line in enumerate(words) if "-r /tmp/requirements.txt" in line)
    assert words.index("COPY pyproject.toml constraints.txt ./") < dependencies < words.index("COPY . .")


def test_the_ray_job_starts_what_the_image_holds() -> None:
    place = next(rest for word, rest in instructions() if word == "WORKDIR")
    named = [word for word in shlex.split(ray_job()["spec"]["entrypoint"]) if word.startswith("/")]
    assert len(named) == 2
    assert all((TREE / Path(name).relative_to(place)).is_file() for name in named)


def uploaded(tree: Path, scratch: Path) -> set[str]:
    """Return the files that Ray itself would send for `--working-dir tree`."""
    packaging = importlib.import_module("ray._private.runtime_env.packaging")
    constants = importlib.import_module("ray._private.ray_constants")
    package = scratch / "package.zip"
    excludes = constants.get_runtime_env_default_excludes()
    packaging.create_package(str(tree), package, include_gitignore=False, excludes=excludes)
    with zipfile.ZipFile(package) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_a_submission_leaves_studies_models_and_data_behind(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    stay = ["runs/a/journal.log", "models/a/1/best.pt", ".venv/pyvenv.cfg", ".git/config", "datasets/a/1.png"]
    stay += ["data/a.png", "weights/yolo.pt", "tests/test_a.py", "set.zip", "automl/__pycache__/a.pyc"]
    travel = ["automl/search.py", "search_spaces/smoke.yaml", "search_spaces/models/micro.yaml", "pyproject.toml"]
    for name in (*stay, *travel):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("x")
    shutil.copy(TREE / ".rayignore", tree)
    assert uploaded(tree, tmp_path) == {*travel, ".rayignore"}


@pytest.mark.parametrize("ignore", [".rayignore", ".dockerignore"])
def test_the_micro_model_travels(ignore: str) -> None:
    patterns = (TREE / ignore).read_text().splitlines()
    assert (TREE / "search_spaces" / "models" / "micro.yaml").is_file()
    assert not {"models/", "**/models"} & set(patterns)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(path: Path) -> None:
    text = path.read_text().replace("/opt/automl/", " ")
    named = set(re.findall(r"(?<![\w/])(?:automl|launch|search_spaces|tests)/[\w./-]+\.(?:md|py|sh|yaml)\b", text))
    assert [name for name in named if not (TREE / name).is_file()] == []


def test_the_guide_tells_of_every_file() -> None:
    guide = (LAUNCH / "README.md").read_text()
    names = {path.name for path in LAUNCH.iterdir() if path.is_file()} - {"README.md"}
    assert [name for name in names if f"`{name}`" not in guide] == []
