"""Signatures of versions: made with a private key, checked with the public one, by this program and by others."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import automl
from automl.apps.registry import Registry
from automl.release import signature
from automl.study.errors import RegistryError
from tests.registries import filled

pytest.importorskip("model_signing", reason="model-signing is not installed")
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Keys:
    """Paths of a key pair."""

    private: Path
    public: Path


def keys_in(folder: Path, name: str, password: bytes = b"") -> Keys:
    made, encoding = ec.generate_private_key(ec.SECP256R1()), serialization.Encoding.PEM
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    keys = Keys(folder / f"{name}.pem", folder / f"{name}.pub")
    keys.private.write_bytes(made.private_bytes(encoding, serialization.PrivateFormat.PKCS8, how))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    keys.public.write_bytes(made.public_key().public_bytes(encoding, form))
    return keys


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return keys_in(tmp_path, "ours")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(filled(tmp_path).folder)


def test_a_champion_is_signed_and_checked(registry: Registry, keys: Keys) -> None:
    key = registry.sign(key=keys.private)
    found = registry.verify(key=keys.public)
    assert (found.problems, found.notes) == ((), ())
    (one,) = found.signatures
    assert (one.version, one.key, one.checked, one.reason) == (2, key, True, "")
    assert registry.history()[-1].kind == "sign"
    assert registry.verify().signatures[0].checked is False


def test_another_program_checks_it(registry: Registry, keys: Keys) -> None:
    registry.sign(key=keys.private)
    file = registry.verify().signatures[0].file
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(registry.path()), "--signature", str(file)]
    found = subprocess.run([*command, "--public_key", str(keys.public)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_champion_without_a_signature_with_the_key_is_a_problem(
    registry: Registry, keys: Keys, tmp_path: Path
) -> None:
    assert registry.verify(key=keys.public).problems[0].endswith("but has no signature; sign it: automl sign")
    other = keys_in(tmp_path, "other")
    registry.sign(key=other.private)
    found = registry.verify(key=keys.public)
    assert "Key mismatch" in found.problems[0]
    assert [one.checked for one in found.signatures] == [False]
    registry.sign(key=keys.private)
    found = registry.verify(key=keys.public)
    assert (found.problems, [one.checked for one in found.signatures]) == ((), [False, True])


def test_the_signature_of_one_version_is_none_of_another(registry: Registry, keys: Keys) -> None:
    registry.sign(1, key=keys.private)
    file = registry.verify().signatures[0].file
    assert signature.problem(registry.path(1), file, keys.public) == ""
    assert "mismatch" in signature.problem(registry.path(2), file, keys.public)
    assert "must be signed" in registry.verify(key=keys.public).problems[0]


def test_a_flipped_bit_of_a_signature_is_found_without_a_key(registry: Registry, keys: Keys) -> None:
    registry.sign(key=keys.private)
    file = registry.verify().signatures[0].file
    whole = file.read_bytes()
    for changed in (whole[:-1], bytes([whole[0] ^ 1]) + whole[1:], b""):
        file.write_bytes(changed)
        assert f"{file}: SHA-256 must be" in registry.verify().problems[0]
    file.unlink()
    assert f"{file}: must be readable, but No such file" in registry.verify(key=keys.public).problems[0]


def test_a_file_of_a_killed_signer_is_a_note(registry: Registry) -> None:
    place = registry.folder / "signatures"
    place.mkdir()
    (place / "0002-0123456789ab.json").write_text("{}")
    found = registry.verify()
    assert (found.problems, found.signatures) == ((), ())
    assert found.notes[0].endswith("0002-0123456789ab.json: is not listed in the history and is left out")


def test_a_damaged_version_is_not_signed(registry: Registry, keys: Keys) -> None:
    (registry.path() / "added.txt").write_text("x")
    with pytest.raises(automl.RegistryError, match=r"added\.txt: was added later"):
        registry.sign(key=keys.private)
    assert registry.verify().signatures == ()


def test_a_key_that_cannot_be_used_is_one_message(registry: Registry, keys: Keys, tmp_path: Path) -> None:
    locked = keys_in(tmp_path, "locked", b"secret")
    (tmp_path / "text.pem").write_text("no key")
    for key in (keys.public, locked.private, tmp_path / "text.pem", tmp_path / "nothing.pem", tmp_path):
        with pytest.raises(RegistryError, match="must be an unencrypted private key of an elliptic curve, as PEM, but"):
            registry.sign(key=key)
    registry.sign(key=keys.private)
    for key in (keys.private, tmp_path / "text.pem", tmp_path / "nothing.pem"):
        with pytest.raises(RegistryError, match="must be a public key of an elliptic curve, as PEM, but"):
            registry.verify(key=key)


def test_a_missing_package_is_one_message(registry: Registry, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(RegistryError, match=r"needs the package model-signing, but .*pip install .*sign"):
        registry.sign(key=keys.private)
