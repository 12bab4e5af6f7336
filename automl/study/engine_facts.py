"""Where a TensorRT engine runs: the record of its build, what a machine has, and why the two do not fit. Pure.

An engine contains machine code for a kind of GPU and the format of a release of TensorRT. Two settings of the builder
widen this, at the cost of speed and size: hardware compatibility and version compatibility.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

from automl.study.plain_values import well_typed

RUNTIMES: Final = ("tensorrt", "tensorrt_rtx")
"""Names of the modules that build and run engines."""
AMPERE: Final = (8, 0)
"""Lowest compute capability on which an engine built with `ampere_plus` runs."""
NUMBERS: Final = re.compile(r"\d+")
Hardware = Literal["none", "same_compute_capability", "ampere_plus"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine has to run engines with."""

    version: str
    """Of the module that runs the engine."""
    capability: str
    """Compute capability of its first GPU, such as `9.0`; empty if unknown."""
    platform: str
    """Operating system and processor, such as `linux x86_64`."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What is recorded of an engine; empty fields, as in versions of an earlier program, are unknown."""

    builder: str
    """Module and version, such as `tensorrt 11.4.0`."""
    capabilities: tuple[str, ...] = ()
    """Compute capabilities that it was built for, such as `9.0`: that of one GPU, or those of RTX cards."""
    hardware: Hardware = "none"
    """Hardware compatibility; `ampere_plus`: any from 8.0 on."""
    version_compatible: bool = False
    """Whether a later version of the same major version of TensorRT runs it."""
    platform: str = ""

    @property
    def module(self) -> str:
        """Return the name of the module that runs it; empty if that is unknown."""
        name = self.builder.partition(" ")[0]
        return name if name in RUNTIMES else ""

    def wrong_version(self, found: str) -> str:
        """Return why a version of the runtime cannot load the engine; empty if it can.

        >>> EngineFacts("tensorrt 11.4.0").wrong_version("11.5.0")
        'it was built by tensorrt 11.4.0, but tensorrt 11.5.0 is installed'
        >>> EngineFacts("tensorrt 11.4.0", version_compatible=True).wrong_version("11.5.0")
        ''
        """
        built = self.builder.partition(" ")[2]
        if found == built:
            return ""
        ours, theirs = (tuple(map(int, NUMBERS.findall(text)[:3])) for text in (built, found))
        if self.version_compatible and ours[:1] == theirs[:1] and theirs >= ours:
            return ""
        law = f", for later versions of {ours[0] if ours else 'none'}" if self.version_compatible else ""
        return f"it was built by {self.builder}{law}, but {self.module} {found} is installed"

    def wrong_device(self, machine: Machine) -> str:
        """Return why the GPU or the platform of a machine cannot run the engine; empty if it can, or it is unknown.

        >>> facts = EngineFacts("tensorrt 11.4.0", ("9.0",), platform="linux x86_64")
        >>> facts.wrong_device(Machine("11.4.0", "8.7", "linux x86_64"))
        'it was built for compute capability 9.0, but the GPU of this machine has 8.7'
        """
        if self.platform and machine.platform != self.platform:
            return f"it was built for {self.platform}, but this machine is {machine.platform}"
        if not self.capabilities or machine.capability in self.capabilities:
            return ""
        if self.hardware == "ampere_plus":
            if machine.capability and tuple(map(int, NUMBERS.findall(machine.capability))) >= AMPERE:
                return ""
            wanted = "8.0 or more"
        else:
            wanted = " or ".join(self.capabilities)
        has = machine.capability or "one that is unknown"
        return f"it was built for compute capability {wanted}, but the GPU of this machine has {has}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "capabilities": list(self.capabilities)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            TypeError: a field has a value of another type, or is unknown.
            LookupError: it is not such a mapping.
        """
        found = {**plain, "capabilities": tuple(map(str, plain["capabilities"]))}
        return well_typed(cls(**found))
