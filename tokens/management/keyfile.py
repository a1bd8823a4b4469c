"""A new signing key in the file of settings."""

import os
import re
import secrets
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tokens.keys import is_symmetric

CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}


def new_material(algorithm: str) -> str:
    """A fresh secret, or a PEM private key on one line (``\\n`` for its line ends)."""
    if is_symmetric(algorithm):
        return secrets.token_urlsafe(64)
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    if algorithm in CURVES:
        key = ec.generate_private_key(CURVES[algorithm]())
    elif algorithm == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return one_line(pem.decode())


def one_line(material: str) -> str:
    return material.strip().replace("\r", "").replace("\n", "\\n")


def with_values(text: str, values: dict[str, str]) -> str:
    """``text`` of a .env with these settings; each keeps its place, or comes at the end."""
    for name, value in values.items():
        line = f"{name}={value}"
        pattern = re.compile(rf"^(?:export )?{name}=.*$", re.MULTILINE)
        if pattern.search(text):
            text = pattern.sub(lambda _found, line=line: line, text)  # type: ignore[misc]
        else:
            text = text.rstrip("\n") + f"\n{line}\n"
    return text


def replace(path: Path, text: str) -> None:
    """At one stroke, for its owner alone: a reader sees the old file or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
