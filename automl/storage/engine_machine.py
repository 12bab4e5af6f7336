"""Whether this machine can run a TensorRT engine: by its record, CUDA and the platform, without loading it."""

import json
import platform
from importlib import import_module
from typing import Any, Final

from automl.study.engine_facts import EngineFacts, Machine

CUDA: Final = "cuda.bindings.runtime"


def here() -> str:
    """Return operating system and processor, such as `linux x86_64`."""
    return f"{platform.system().lower()} {platform.machine()}"


def capability() -> str:
    """Return the compute capability of the first GPU, such as `9.0`; empty without cuda-bindings or a GPU."""
    try:
        cuda = import_module(CUDA)
    except ImportError:
        return ""
    kinds = cuda.cudaDeviceAttr
    wanted = (kinds.cudaDevAttrComputeCapabilityMajor, kinds.cudaDevAttrComputeCapabilityMinor)
    answers: list[tuple[Any, ...]] = [cuda.cudaDeviceGetAttribute(one, 0) for one in wanted]
    return "" if any(int(error) for error, *_ in answers) else ".".join(str(int(value)) for _, value in answers)


def unusable(facts: EngineFacts, *, score: float | None) -> str:
    """Return why this machine does not run an engine, before it is loaded; empty if it does.

    In this order: the record, the runtime and its version, a GPU, the platform and the GPU's compute capability.

    Args:
        facts: What is recorded of the engine.
        score: The objective of the engine when it was built; None if it was not measured.

    >>> unusable(EngineFacts("tensorrt 11.4.0"), score=None)
    'it was not measured where it was built'
    """
    if not facts.module:
        return "its builder is not recorded"
    if score is None:
        return "it was not measured where it was built"
    try:
        found = str(import_module(facts.module).__version__)
    except ImportError:
        return f"{facts.module} is not installed"
    return facts.wrong_version(found) or _without_gpu() or facts.wrong_device(_machine(facts, found))


def _without_gpu() -> str:
    try:
        error, gpus = import_module(CUDA).cudaGetDeviceCount()
    except ImportError:
        return "the package cuda-bindings is not installed"
    return "this machine has no CUDA GPU" if int(error) or not gpus else ""


def _machine(facts: EngineFacts, version: str) -> Machine:
    """Return what this machine has; its GPU is asked only for an engine that records one."""
    return Machine(version, capability() if facts.capabilities else "", here())


def recorded(verdict: bytes | None, facts: bytes | None) -> tuple[EngineFacts, float | None]:
    """Return what a version records of its engine, and the engine's score; unknown where it is not recorded.

    Args:
        verdict: Content of `promotion.json`, which names the builder and the score.
        facts: Content of `engine.json`; a version of an earlier program lacks it.
    """
    try:
        plain = json.loads(verdict or b"{}")
        builder, score = str(plain.get("engine")), plain.get("engine_score")
    except (ValueError, AttributeError):
        return EngineFacts(""), None
    if facts is None:
        return EngineFacts(builder), score
    try:
        found = EngineFacts.from_dict(json.loads(facts))
    except (ValueError, LookupError, TypeError):
        return EngineFacts(""), score
    return (found if found.builder == builder else EngineFacts("")), score


def of_target(record: bytes) -> tuple[EngineFacts, dict[str, str]]:
    """Return what the record of a target says of its engine, and the metadata of its graph; empty if nothing."""
    try:
        plain = json.loads(record)
        return EngineFacts.from_dict(plain["engine"]), dict(plain["metadata"])
    except (ValueError, LookupError, TypeError):
        return EngineFacts(""), {}
