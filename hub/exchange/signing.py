"""Ed25519 signatures over manifests: a receiver can prove years later, offline, what the hub delivered."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.context import Hub

__all__ = ["public_key", "sign", "verify"]


def _private_key(hub: Hub) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hub.key("manifest-signing"))


def _canonical(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def public_key(hub: Hub) -> str:
    """The key receivers verify with, base64 of its 32 bytes."""
    raw = _private_key(hub).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def sign(hub: Hub, manifest: Mapping[str, Any]) -> bytes:
    """Return the manifest as JSON with the members `public_key` and `signature` added."""
    signature = base64.b64encode(_private_key(hub).sign(_canonical(manifest))).decode()
    signed = {**manifest, "public_key": public_key(hub), "signature": signature}
    return json.dumps(signed, ensure_ascii=False, indent=1).encode()


def verify(signed: Mapping[str, Any], expected_key: str) -> bool:
    """Whether a signed manifest is whole and was signed by the hub that has `expected_key`."""
    manifest = {name: value for name, value in signed.items() if name not in ("public_key", "signature")}
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(expected_key))
        key.verify(base64.b64decode(str(signed["signature"])), _canonical(manifest))
    except (InvalidSignature, KeyError, ValueError):
        return False
    return True
