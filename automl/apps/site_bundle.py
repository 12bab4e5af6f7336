"""Bundle of all that a site without a network needs: wheels with hashes, weights, a font, sample data, one manifest."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from automl.data import sample
from automl.storage.files import sha256
from automl.study.errors import StudyError
from automl.study.text import amount, one_line

MANIFEST: Final = "SHA256SUMS"
"""In the format of `sha256sum --check`, so that a site verifies it without this program."""
WHEELS, WEIGHTS, FONTS, SAMPLE = "wheels", "weights", "fonts", "sample"
REQUIREMENTS: Final = "requirements.txt"
INSTALL: Final = "install.sh"
DISTRIBUTION: Final = "yolo-automl-ray"
WHEEL: Final = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
CHINESE: Final = ("/usr/share/fonts", "/usr/local/share/fonts")
CHINESE_NAMES: Final = re.compile(r"(?i)(notosans(mono)?cjk|sourcehansans|wqy|droidsansfallback|simhei|arphic|uming)")
SCRIPT: Final = """#!/bin/sh
# Installs from this folder alone: sh install.sh [ENVIRONMENT]; ENVIRONMENT is a new folder, default: .venv
set -eu
here=$(cd "$(dirname "$0")" && pwd)
(cd "$here" && sha256sum --check --quiet SHA256SUMS)
python=${PYTHON:-python3.11}
"$python" -m venv "${1:-.venv}"
"${1:-.venv}/bin/python" -m pip install --disable-pip-version-check --no-index --find-links "$here/wheels" \\
    --require-hashes --only-binary :all: -r "$here/requirements.txt"
echo "installed in ${1:-.venv}"
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to collect. Without `requirements` it is this program with all that it depends on."""

    requirements: tuple[str, ...]
    constraints: Path | None
    weights: tuple[Path, ...]


def collect(folder: Path, wanted: Wanted) -> list[str]:
    """Make a bundle in a new folder, which appears when it is complete; return what it contains, as lines.

    Raises:
        StudyError: the folder exists, a file is missing, or the index does not have a wheel.
    """
    if folder.exists():
        raise StudyError(f"{folder}: must be a new folder, but exists; choose another, or delete it")
    for path in (*wanted.weights, *([wanted.constraints] if wanted.constraints else [])):
        if not path.is_file():
            raise StudyError(f"{path}: must be a file, but is none")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        (part / WHEELS).mkdir(parents=True)
        _download(part / WHEELS, wanted)
        found = _filled(part, wanted)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return found


def _filled(part: Path, wanted: Wanted) -> list[str]:
    (part / REQUIREMENTS).write_text("".join(_pinned(part / WHEELS)), encoding="utf-8")
    for kind, files in ((WEIGHTS, wanted.weights), (FONTS, _fonts())):
        for path in files:
            (part / kind).mkdir(exist_ok=True)
            shutil.copyfile(path, part / kind / path.name)
    sample.draw(part / SAMPLE)
    (part / INSTALL).write_text(SCRIPT, encoding="utf-8")
    (part / INSTALL).chmod(0o755)
    names = _files(part)
    (part / MANIFEST).write_text("".join(f"{sha256(part / name)}  {name}\n" for name in names), encoding="utf-8")
    return [_line(part, kind) for kind in (WHEELS, WEIGHTS, FONTS, SAMPLE)]


def _line(part: Path, kind: str) -> str:
    files = [path for path in (part / kind).rglob("*") if path.is_file()]
    if files:
        return f"{kind}: {len(files)} files, {amount(sum(path.stat().st_size for path in files))}"
    return f"{kind}: none" + (": no font with Chinese glyphs is installed here" if kind == FONTS else "")


def verify(folder: Path) -> list[str]:
    """Return what differs from the manifest: files that are changed, missing or not in it; empty if nothing does.

    Raises:
        StudyError: the folder contains no bundle.
    """
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except OSError:
        raise StudyError(f"{folder}: must be a folder that bundle-site made, but has no {MANIFEST}") from None
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = _files(folder)
    found = [f"{one_line(name)}: is not in the manifest" for name in there if name not in listed]
    for name, digest in listed.items():
        if name not in there:
            found.append(f"{one_line(name)}: is missing")
        elif sha256(folder / name) != digest:
            found.append(f"{one_line(name)}: is changed")
    return found


def _files(folder: Path) -> list[str]:
    """Return all files but the manifest, by path."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != MANIFEST)


def _download(into: Path, wanted: Wanted) -> None:
    """Fetch the wheels by pip: from its index, its cache, or what its own settings name."""
    constraints = ["-c", str(wanted.constraints)] if wanted.constraints else []
    asked = list(wanted.requirements)
    if not asked:
        asked = [one for one in metadata.requires(DISTRIBUTION) or () if "extra ==" not in one]
        _pip("wheel", "--no-deps", "--wheel-dir", str(into), str(_ourselves()))
    _pip("download", "--dest", str(into), "--only-binary", ":all:", *constraints, *asked)


def _ourselves() -> Path | str:
    """Return the checkout that runs, else the name and version on the index."""
    root = Path(__file__).absolute().parents[2]
    return root if (root / "pyproject.toml").is_file() else f"{DISTRIBUTION}=={metadata.version(DISTRIBUTION)}"


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise StudyError(f"pip {words[0]}: must fetch all wheels, but {one_line('; '.join(errors[-3:]))}")


def _pinned(wheels: Path) -> Iterator[str]:
    """Yield a line with version and hash for each wheel."""
    for path in sorted(wheels.iterdir()):
        if (found := WHEEL.fullmatch(path.name)) is None:
            raise StudyError(f"{path.name}: must be a wheel, but is none")
        yield f"{found['name'].replace('_', '-')}=={found['version']} --hash=sha256:{sha256(path)}\n"


def _fonts(roots: Sequence[str] = CHINESE) -> list[Path]:
    """Return one installed font with Chinese glyphs, none if there is none."""
    found = [
        path for root in roots for path in sorted(Path(root).rglob("*"))
        if path.suffix.lower() in {".ttf", ".ttc", ".otf"} and CHINESE_NAMES.search(path.name.replace("-", ""))
    ]  # fmt: skip
    regular = [path for path in found if "regular" in path.name.lower()]
    return (regular or found)[:1]
