"""Declare the algorithms that can sign tokens, one entry for each (RFC 7518 and RFC 8037)."""

import secrets
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

PrivateKey: TypeAlias = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)
PublicKey: TypeAlias = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)
# The "kty" values of RFC 7518, section 6.1, and RFC 8037, section 2.
KeyType: TypeAlias = Literal["oct", "RSA", "EC", "OKP"]
KEY_CLASSES: dict[KeyType, tuple[type[PrivateKey], ...]] = {
    "RSA": (rsa.RSAPrivateKey,),
    "EC": (ec.EllipticCurvePrivateKey,),
    "OKP": (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey),
}
NEW_RSA_BITS = 3072
NEW_SECRET_BYTES = 64


@dataclass(frozen=True, slots=True)
class Algorithm:
    """Describe one algorithm and the keys it takes.

    ``minimum_bits`` is the size below which a secret or an RSA modulus is too weak (RFC 7518,
    sections 3.2 and 3.3); ``curve`` is the one curve of an ECDSA algorithm (section 3.4).
    """

    name: str
    key_type: KeyType
    minimum_bits: int = 0
    curve: type[ec.EllipticCurve] | None = None

    @property
    def symmetric(self) -> bool:
        """Tell whether one shared secret both signs and verifies."""
        return self.key_type == "oct"

    def load(self, pem: str) -> PrivateKey:
        """Read a PEM private key.

        Raises ValueError if the text is not one, or if the key is of another type or curve.
        """
        key = serialization.load_pem_private_key(pem.encode(), password=None)
        if not isinstance(key, KEY_CLASSES[self.key_type]):
            raise ValueError(f"{self.name} needs an {self.key_type} key, this PEM holds another")
        if isinstance(key, ec.EllipticCurvePrivateKey) and not isinstance(
            key.curve, self.curve or ec.EllipticCurve
        ):
            raise ValueError(f"{self.name} does not sign on the curve of this PEM key")
        return key

    def bits(self, material: str) -> int:
        """Return the size of a secret or of an RSA modulus; `minimum_bits` for other keys."""
        if self.symmetric:
            return len(material.encode(errors="surrogateescape")) * 8
        key = self.load(material)
        return key.key_size if isinstance(key, rsa.RSAPrivateKey) else self.minimum_bits

    def generate(self) -> str:
        """Make a new secret, or a new private key as PEM."""
        key: PrivateKey
        if self.symmetric:
            return secrets.token_urlsafe(NEW_SECRET_BYTES)
        if self.curve is not None:
            key = ec.generate_private_key(self.curve())
        elif self.key_type == "OKP":
            key = ed25519.Ed25519PrivateKey.generate()
        else:
            key = rsa.generate_private_key(public_exponent=65537, key_size=NEW_RSA_BITS)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return pem.decode()


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("HS256", "oct", minimum_bits=256),
        Algorithm("HS384", "oct", minimum_bits=384),
        Algorithm("HS512", "oct", minimum_bits=512),
        Algorithm("RS256", "RSA", minimum_bits=2048),
        Algorithm("RS384", "RSA", minimum_bits=2048),
        Algorithm("RS512", "RSA", minimum_bits=2048),
        Algorithm("PS256", "RSA", minimum_bits=2048),
        Algorithm("PS384", "RSA", minimum_bits=2048),
        Algorithm("PS512", "RSA", minimum_bits=2048),
        Algorithm("ES256", "EC", curve=ec.SECP256R1),
        Algorithm("ES384", "EC", curve=ec.SECP384R1),
        Algorithm("ES512", "EC", curve=ec.SECP521R1),
        Algorithm("EdDSA", "OKP"),
    )
}
