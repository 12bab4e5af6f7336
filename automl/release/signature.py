"""Signature of a version with the user's own key, in the format of OpenSSF Model Signing.

An elliptic-curve key in PEM signs the SHA-256 of each file of a version, the manifest with its name and number among
them. Anybody with the public key can check it, with this program or with `model_signing verify key`. Works offline.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from automl.storage import files, scratch
from automl.study.errors import RegistryError

REMEDY: Final = "pip install 'yolo-automl-ray[sign]'"
MAKE: Final = (
    "openssl ecparam -name prime256v1 -genkey -noout -out key.pem; openssl ec -in key.pem -pubout -out key.pub"
)
FILE: Final = "signature.json"


def sign(folder: Path, key: Path) -> tuple[bytes, str]:
    """Return the signature of a version's folder with a private key, and the SHA-256 of the public key.

    Raises:
        RegistryError: the key cannot be used, or the package is not installed.
    """
    vendor = _vendor()
    with scratch.folder() as place:
        made = place / FILE
        with _named(key, "must be an unencrypted private key of an elliptic curve, as PEM"):
            signer = vendor.signing.Config().use_elliptic_key_signer(private_key=key)
        signer.sign(folder, made)
        return made.read_bytes(), _identifier(made)


def problem(folder: Path, signature: Path, key: Path) -> str:
    """Return why a signature of a version's folder is not one with a public key; empty if it is.

    Raises:
        RegistryError: the key cannot be used, or the package is not installed.
    """
    vendor = _vendor()
    with _named(key, "must be a public key of an elliptic curve, as PEM"):
        verifier = vendor.verifying.Config().use_elliptic_key_verifier(public_key=key)
    with scratch.folder() as place:
        files.copy(signature, place / FILE)
        try:
            verifier.verify(folder, place / FILE)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return " ".join(str(error).split())[:200] or type(error).__name__
    return ""


def _vendor() -> Any:  # noqa: ANN401
    try:
        import model_signing  # noqa: PLC0415  (an optional package)
        import model_signing.signing  # noqa: PLC0415
        import model_signing.verifying  # noqa: PLC0415
    except ImportError as error:
        raise RegistryError(f"signature: needs the package model-signing, but {error}; {REMEDY}") from None
    return model_signing


@contextmanager
def _named(key: Path, law: str) -> Iterator[None]:
    """Convert what the vendor raises for a key to one message."""
    try:
        yield
    except OSError as error:
        raise RegistryError(f"{key}: {law}, but {error.strerror}") from None
    except (ValueError, TypeError, AttributeError) as error:
        first = " ".join(str(error).split())[:200]
        raise RegistryError(f"{key}: {law}, but {first}; make one: {MAKE}") from None


def _identifier(signature: Path) -> str:
    """Return the SHA-256 of the public key, which the signature names as its hint."""
    plain = json.loads(signature.read_text(encoding="utf-8"))
    return str(plain["verificationMaterial"]["publicKey"]["hint"])
