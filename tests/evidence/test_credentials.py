"""Content Credentials: signed by a chain of our own, read back by the C2PA project's own reader."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from tests.fidelity.test_shown import check
from upscaler.channels import files
from upscaler.channels.table import CHANNELS
from upscaler.health.checks import content_credentials_can_be_signed
from upscaler.imaging import credentials
from upscaler.models import Upscale, media_storage
from upscaler.storage import signing

USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
NO_USES = dict.fromkeys(USES, False)


def certificate(name: str, key: Any, issuer: str, issuer_key: Any, *, is_authority: bool) -> x509.Certificate:
    """As C2PA asks for: an authority, or a leaf that may sign and nothing else."""

    def named(text: str) -> x509.Name:
        pairs = ((NameOID.ORGANIZATION_NAME, "Test"), (NameOID.COMMON_NAME, text))
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])

    now = datetime.now(UTC)
    uses = {"key_cert_sign": True, "crl_sign": True} if is_authority else {"digital_signature": True}
    made = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(x509.KeyUsage(**{**NO_USES, **uses}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not is_authority:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return made.sign(issuer_key, hashes.SHA256())


@pytest.fixture
def chain(tmp_path: Path, settings: Any) -> Path:
    """The folder of a chain and a key, which the settings name."""
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    both = (
        certificate("Desk", own, "Authority", authority, is_authority=False),
        certificate("Authority", authority, "Authority", authority, is_authority=True),
    )
    (tmp_path / "chain.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in both))
    (tmp_path / "key.pem").write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = str(tmp_path / "chain.pem"), str(tmp_path / "key.pem")
    return tmp_path


def stored(upscale: Upscale) -> bytes:
    with media_storage().open(upscale.result_file.name) as file:
        content: bytes = file.read()
    return content


def test_a_result_is_signed_and_the_reader_finds_nothing_wrong(chain: Path, done: Callable[..., Upscale]) -> None:
    upscale = done()
    content = stored(upscale)
    assert (upscale.result_digest, upscale.result_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    with c2pa.Reader(credentials.MIME["JPEG"], io.BytesIO(content)) as reader:
        told = json.loads(reader.json())
    assert told["validation_state"] == "Valid"
    assert [one["code"] for one in told["validation_status"]] == ["signingCredential.untrusted"], (
        "nobody knows the test's"
    )
    manifest = told["manifests"][told["active_manifest"]]
    assert manifest["signature_info"]["common_name"] == "Desk"
    [original] = manifest["ingredients"]
    assert (original["relationship"], original["instance_id"]) == ("parentOf", f"urn:sha256:{upscale.source_digest}")
    assert upscale.source_name not in json.dumps(told)
    [actions] = [one["data"]["actions"] for one in manifest["assertions"] if one["label"].startswith("c2pa.actions")]
    assert [one["action"] for one in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"].endswith("/algorithmicallyEnhanced"), "as its IPTC mark says"


def told_of(content: bytes, format_name: str = "JPEG") -> dict[str, Any]:
    """The active manifest, by the C2PA project's own reader, which finds nothing wrong."""
    with c2pa.Reader(credentials.MIME[format_name], io.BytesIO(content)) as reader:
        told = json.loads(reader.json())
    assert told["validation_state"] == "Valid"
    manifest: dict[str, Any] = told["manifests"][told["active_manifest"]]
    return manifest


def test_a_file_for_a_shop_is_signed_with_what_the_check_says(chain: Path, done: Callable[..., Upscale]) -> None:
    upscale = done()
    result = told_of(stored(upscale))
    assert credentials.FIDELITY not in [one["label"] for one in result["assertions"]], "it was not checked yet"
    check(upscale, "look", ("colour", "text"), report={"delta_e_mean": 1.25, "delta_e_worst": 7.5, "regions": [1]})
    made = files.make(upscale, CHANNELS["etsy"])
    with media_storage().open(made.file) as file:
        content = file.read()
    assert made.file_size == len(content)
    manifest = told_of(content, made.format)
    [verdict] = [one["data"] for one in manifest["assertions"] if one["label"] == credentials.FIDELITY]
    assert (verdict["verdict"], verdict["reasons"]) == ("look", ["colour", "text"])
    assert (verdict["delta_e_mean"], verdict["delta_e_worst"]) == (1.25, 7.5)
    assert datetime.fromisoformat(verdict["checked_at"]) <= datetime.now(UTC)
    assert "regions" not in verdict
    [actions] = [one["data"]["actions"] for one in manifest["assertions"] if one["label"].startswith("c2pa.actions")]
    assert [one["action"] for one in actions] == ["c2pa.opened", "c2pa.edited", "c2pa.edited"]
    [original] = manifest["ingredients"]
    assert original["instance_id"] == f"urn:sha256:{upscale.source_digest}"
    assert "Etsy" not in json.dumps(manifest)


def test_a_shops_limit_of_bytes_comes_before_credentials(chain: Path, done: Callable[..., Upscale]) -> None:
    upscale = done()
    signed = files.make(upscale, CHANNELS["etsy"])
    with media_storage().open(signed.file) as file:
        content = file.read()
    assert b"jumdc2pa" in content
    tight = replace(CHANNELS["etsy"], max_bytes=len(content) - 1, max_bytes_by_format={})
    made = files.make(upscale, tight)
    with media_storage().open(made.file) as file:
        content = file.read()
    assert b"jumdc2pa" not in content and made.file_size == len(content) <= (tight.max_bytes or 0)
    assert made.problems == []


def test_one_changed_byte_of_the_picture_is_found(chain: Path, done: Callable[..., Upscale]) -> None:
    content = bytearray(stored(done()))
    content[-40] ^= 1
    with c2pa.Reader(credentials.MIME["JPEG"], io.BytesIO(bytes(content))) as reader:
        told = json.loads(reader.json())
    assert "assertion.dataHash.mismatch" in [one["code"] for one in told["validation_status"]]


@pytest.mark.parametrize("format_", credentials.MIME)
def test_pixels_stay_as_they_are(chain: Path, format_: str) -> None:
    source, target = io.BytesIO(), io.BytesIO()
    Image.effect_noise((60, 40), 40).convert("RGB").save(source, format_)
    source.seek(0)
    signer = credentials.Signer(chain / "chain.pem", chain / "key.pem")
    signer.sign(source, target, credentials.Made(format_, "ab", "", "local 3", ["dat"]))
    before, after = (np.asarray(Image.open(file).convert("RGB")) for file in (source, target))
    assert np.array_equal(before, after) and len(target.getvalue()) > len(source.getvalue())
    with c2pa.Reader(credentials.MIME[format_], io.BytesIO(target.getvalue())) as reader:
        told = reader.json()
    assert '"local 3"' in told and "with the networks dat" in told


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"key.pem": b"no key"}, "PEM"),
        ({"chain.pem": b"no certificate"}, "can't be signed"),
        ({"key.pem": None}, "No such file"),
    ],
)
def test_a_bad_key_is_said_at_the_start_and_fails_no_picture(
    chain: Path, done: Callable[..., Upscale], broken: dict[str, bytes | None], said: str
) -> None:
    assert content_credentials_can_be_signed() == []
    for name, content in broken.items():
        if content is None:
            (chain / name).unlink()
        else:
            (chain / name).write_bytes(content)
    signing.signer_of.cache_clear()
    [error] = content_credentials_can_be_signed()
    assert error.id == "upscaler.E003" and said in error.msg, error.msg
    assert b"jumdc2pa" not in stored(done())


def test_half_of_it_set_is_said(chain: Path, settings: Any) -> None:
    settings.C2PA_PRIVATE_KEY = ""
    [error] = content_credentials_can_be_signed()
    assert "one of C2PA_CERTIFICATE and C2PA_PRIVATE_KEY is not set" in error.msg


def test_a_key_that_is_not_the_certificates_own_is_found(chain: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    (chain / "key.pem").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    [error] = content_credentials_can_be_signed()
    assert error.id == "upscaler.E003"


def test_without_a_key_nothing_is_signed(done: Callable[..., Upscale]) -> None:
    assert content_credentials_can_be_signed() == []
    assert b"jumdc2pa" not in stored(done())
