"""Signed envelopes: DSSE (Dead Simple Signing Envelope) 1.0 with local Ed25519 keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audit.errors import InputError, StoreError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

#: Media type of an in-toto statement.
STATEMENT: Final = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of an envelope.

    Args:
        keyid: SHA-256 of the public key (as DER), or what another tool calls its key.
        value: the signature.
    """

    keyid: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload and who signed it.

    Args:
        kind: media type of the payload.
        payload: what was signed, byte for byte.
        signatures: at least one.
    """

    kind: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether one of the signatures is that of a key; an envelope may hold those of others, too."""
        from cryptography.exceptions import InvalidSignature

        for signature in self.signatures:
            try:
                key.verify(signature.value, encoded(self.kind, self.payload))
            except InvalidSignature:
                continue
            return True
        return False


def encoded(kind: str, payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding.

    >>> encoded("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    named = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(named), named, len(payload), payload)


def sign(payload: bytes, key: Ed25519PrivateKey, kind: str = STATEMENT) -> bytes:
    """Sign a payload; return the envelope as a file."""
    envelope = {
        "payloadType": kind,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {
                "keyid": key_id(key.public_key()),
                "sig": base64.b64encode(key.sign(encoded(kind, payload))).decode(),
            }
        ],
    }
    return json.dumps(envelope, indent=1).encode() + b"\n"


def read_envelope(file: Path) -> Envelope:
    """Read an envelope; its signatures are not checked.

    Raises:
        StoreError: it cannot be read, is no envelope, or holds no signature.
    """
    try:
        found = json.loads(file.read_bytes())
        signatures = tuple(
            Signature(str(each.get("keyid", "")), _decoded(each["sig"])) for each in found["signatures"]
        )
        envelope = Envelope(str(found["payloadType"]), _decoded(found["payload"]), signatures)
    except OSError as error:
        raise StoreError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise StoreError(f"{file}: not a signed envelope (DSSE)") from error
    if not signatures:
        raise StoreError(f"{file}: an envelope that nobody signed")
    return envelope


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of a public key as DER (SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def private_key(file: Path) -> Ed25519PrivateKey:
    """Read the key to sign with.

    Raises:
        InputError: it cannot be read, is not an Ed25519 key in a PEM file, or has a password.
    """
    content = _content(file)
    _need_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    found: Any
    try:
        found = load_pem_private_key(content, None)
    except TypeError as error:
        raise InputError.single("has a password; expected a key without one", file) from error
    except Exception as error:  # whatever the library makes of such a file
        told = "not a private key in a PEM file; `openssl genpkey -algorithm ed25519 -out KEY` makes one"
        raise InputError.single(told, file) from error
    if not isinstance(found, Ed25519PrivateKey):
        raise InputError.single(f"a key of another kind (got {_kind(found)}); expected Ed25519", file)
    return found


def public_key(file: Path) -> Ed25519PublicKey:
    """Read the key to verify with.

    Raises:
        InputError: it cannot be read, or is not a public Ed25519 key in a PEM file.
    """
    content = _content(file)
    _need_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    make = "`openssl pkey -in KEY -pubout -out PUB` makes the public one of a private one"
    if b"PRIVATE KEY" in content:
        raise InputError.single(f"a private key; expected the public one; {make}", file)
    found: Any
    try:
        found = load_pem_public_key(content)
    except Exception as error:  # whatever the library makes of such a file
        raise InputError.single(f"not a public key in a PEM file; {make}", file) from error
    if not isinstance(found, Ed25519PublicKey):
        raise InputError.single(f"a key of another kind (got {_kind(found)}); expected Ed25519", file)
    return found


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError.single(f"cannot be read ({error.strerror})", file) from error


def _need_cryptography() -> None:
    try:
        import cryptography.hazmat.primitives  # noqa: F401
    except ImportError as error:
        told = "keys need the package cryptography: pip install 'evenhand[sign]'"
        raise InputError.single(told) from error


def _kind(key: object) -> str:
    return type(key).__name__.strip("_").removesuffix("PublicKey").removesuffix("PrivateKey")
