"""Content Credentials: a signed statement inside a picture's file of what was done to it, as C2PA has it.

The library parses the desk's own result alone: the source, a stranger's file, is named by its digest, so that nothing
of a stranger is parsed beside the key. Django-free.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from PIL import Image

MIME = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""The formats that are signed, by Pillow's name."""
ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
"""By the curve of the key: C2PA 2.1, "Digital signatures"."""
SOURCE = "source"
FIDELITY = "upscaler.fidelity"
"""The assertion that has the check's verdict: ``verdict``, ``reasons``, ``checked_at`` and numbers as in its report."""
FITTED = "Fitted to a shop’s rules"
"""Without the shop's name: it may say more than a customer should read."""


class BadKey(ValueError):
    """Certificate or key can't sign; its message says why."""


@dataclass(frozen=True)
class Made:
    """What is stated of a result."""

    format: str
    """Pillow's name of the result's format; one of MIME."""
    source_digest: str
    """SHA-256 of the source's file; empty where it is not known."""
    source_type: str
    """The address of IPTC's term for how the result was made."""
    engine: str
    """With its version."""
    networks: Sequence[str]
    is_fitted: bool = False
    """Whether the result was then fitted to a shop's rules: background, frame, size and bytes."""
    fidelity: Mapping[str, Any] | None = None
    """What the check for faithfulness says, as JSON; None where it had said nothing yet."""


class Signer:
    """Signs files with one certificate and key."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises BadKey.

        ``certificate``: a PEM file with the whole chain, the signer's own first. ``key``: a PEM file, PKCS 8, without a
        password.
        """
        try:
            import c2pa  # 23 MB, which a desk without a key never loads.
        except (ImportError, OSError, RuntimeError) as error:
            raise BadKey(f"the library c2pa-python can't be loaded here ({error})") from error
        self._c2pa = c2pa
        try:
            chain, secret = certificate.read_bytes(), key.read_bytes()
            info = c2pa.C2paSignerInfo(_algorithm(secret).encode(), chain, secret, None)
            self._signer = c2pa.Signer.from_info(info)
        except (OSError, ValueError, TypeError, c2pa.C2paError) as error:
            raise BadKey(str(error)) from error

    def sign(self, source: IO[bytes], target: IO[bytes], made: Made) -> None:
        """Write ``source`` to ``target`` with credentials; pixels stay as they are. Raises BadKey and OSError."""
        settings = self._c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
        try:
            with self._c2pa.Context(settings=settings) as context:
                builder = self._c2pa.Builder(_manifest(made), context=context)
                builder.sign(self._signer, MIME[made.format], source, target)
        except self._c2pa.C2paError as error:
            raise BadKey(str(error)) from error

    def try_out(self) -> None:
        """Sign a picture of one pixel: certificates that break C2PA's rules are refused only then. Raises BadKey."""
        source, target = io.BytesIO(), io.BytesIO()
        Image.new("RGB", (1, 1)).save(source, "PNG")
        source.seek(0)
        self.sign(source, target, Made("PNG", "", "", "", ()))


def _algorithm(secret: bytes) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(secret, None)
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in ALGORITHMS:
        return ALGORITHMS[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise ValueError("the key is of no kind that C2PA signs with: take EC (P-256, P-384, P-521), Ed25519 or RSA")


def _manifest(made: Made) -> dict[str, Any]:
    instance = f"urn:sha256:{made.source_digest}" if made.source_digest else "urn:unknown"
    edited = {
        "action": "c2pa.edited",
        "description": "Enlarged" + (f" with the networks {', '.join(made.networks)}" if made.networks else ""),
        **({"softwareAgent": {"name": made.engine}} if made.engine else {}),
        **({"digitalSourceType": made.source_type} if made.source_type else {}),
    }
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [SOURCE]}}
    fitted = [{"action": "c2pa.edited", "description": FITTED}] if made.is_fitted else []
    assertions = [{"label": "c2pa.actions.v2", "data": {"actions": [opened, edited, *fitted]}}]
    if made.fidelity is not None:
        assertions.append({"label": FIDELITY, "data": dict(made.fidelity)})
    return {
        "claim_generator_info": [{"name": "Upscaler"}],
        "format": MIME[made.format],
        # Without the file's name: it may say more than a customer should read.
        "ingredients": [{"title": "Original", "relationship": "parentOf", "instance_id": instance, "label": SOURCE}],
        "assertions": assertions,
    }
