"""The second factor: a code of an app (TOTP), or one of ten recovery codes. django-otp keeps and checks them."""

from __future__ import annotations

import base64
import math
import re
import secrets
from typing import Any

import segno
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.safestring import SafeString, mark_safe
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from upscaler.accounts import audit_log, sessions
from upscaler.errors import PublicError
from upscaler.models import AuditEvent

RECOVERY_CODES = 10
WRONG = "This is not the code of now, or it was used before. Look at the app again."


def is_on(user: Any) -> bool:
    """Whether the person signs in with a second factor."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def is_required(user: Any) -> bool:
    """Whether the desk asks for it, whatever the person would like."""
    return bool(settings.STAFF_SECOND_FACTOR and user.is_staff)


@transaction.atomic
def draft(user: Any) -> Any:
    """The TOTPDevice that the person may set up; it counts for nothing before `turn_on`."""
    found = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    return found or TOTPDevice.objects.create(user=user, name="app", confirmed=False)


def qr_code(device: Any) -> SafeString:
    """The device's secret as a QR code for apps: one inline SVG without styles, which the CSP would refuse."""
    drawn = segno.make(device.config_url, error="m").svg_inline(
        omitsize=True, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None, title="QR code for the app"
    )
    return mark_safe(drawn)  # noqa: S308 - made here, from a user name that the address has quoted.


def typed_key(device: Any) -> str:
    """The device's secret as people type it, in groups of four letters."""
    key = base64.b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(re.findall(".{1,4}", key))


@transaction.atomic
def turn_on(user: Any, typed: str, *, request: HttpRequest) -> tuple[Any, list[str]]:
    """Have the person sign in with the app of `draft` from now on. Their other sessions end.

    Returns the device and the recovery codes in clear, which are stored nowhere. Raises PublicError for a wrong code.
    """
    device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
    if device is None or not _accepts(device, _cleaned(typed)):
        raise PublicError(WRONG, code="code_wrong")
    device.confirmed = True
    device.save()
    TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
    codes = _new_codes(user)
    audit_log.record_in_all_teams(AuditEvent.Action.SECOND_FACTOR_ON, user=user, request=request)
    sessions.end_others(user, keep=request.session.session_key)
    return device, codes


@transaction.atomic
def turn_off(user: Any, *, by: Any = None, how: str = "", request: HttpRequest | None = None) -> bool:
    """Ask for the password alone from now on; ``by`` whom, where it is not the person, whose sessions then all end.

    False where there was no second factor.
    """
    was_on = is_on(user)
    TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    if not was_on:
        return False
    is_own = by is not None and by.pk == user.pk
    about = "" if is_own else f"of {audit_log.name_of(user)}"
    audit_log.record_in_teams_of(
        user,
        AuditEvent.Action.SECOND_FACTOR_OFF,
        by=by,
        about=f"{about}, {how}".strip(", ") if how else about,
        request=request,
    )
    sessions.end_others(user, keep=request.session.session_key if is_own and request is not None else None)
    return True


@transaction.atomic
def renew_codes(user: Any, *, request: HttpRequest) -> list[str]:
    """Ten new recovery codes in place of the old ones, in clear."""
    codes = _new_codes(user)
    audit_log.record_in_all_teams(AuditEvent.Action.RECOVERY_CODES, user=user, request=request)
    return codes


def codes_left(user: Any) -> int:
    """How many recovery codes were not used yet."""
    return int(StaticToken.objects.filter(device__user=user, device__confirmed=True).count())


@transaction.atomic
def use_code(user: Any, typed: str) -> Any | None:
    """Use up a code of the app or a recovery code. The person's TOTPDevice, for the session; None for a wrong code.

    Raises PublicError after several wrong ones, from whatever addresses: the library then makes everybody wait.
    """
    code = _cleaned(typed)
    is_of_app = re.fullmatch(r"[0-9]{6}", code) is not None
    devices: Any = TOTPDevice if is_of_app else StaticDevice
    # Locked, so that two at once can't use one code.
    device = devices.objects.select_for_update().filter(user=user, confirmed=True).first()
    if device is None or not _accepts(device, code if is_of_app else _digest(user, code)):
        return None
    # The app's, whichever code it was: recovery codes come and go.
    return TOTPDevice.objects.filter(user=user, confirmed=True).first()


def _accepts(device: Any, code: str) -> bool:
    allowed, why = device.verify_is_allowed()
    if not allowed:
        seconds = max(1, math.ceil((why["locked_until"] - timezone.now()).total_seconds()))
        wait = f"{seconds} second{'' if seconds == 1 else 's'}" if seconds < 120 else f"{seconds // 60} minutes"
        raise PublicError(f"After wrong codes there is a pause. Wait {wait}, then try again.", code="code_pause")
    return bool(device.verify_token(code))


def _new_codes(user: Any) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes")
    # 50 bits each, and a pause after every wrong one.
    codes = [base64.b32encode(secrets.token_bytes(7)).decode().lower()[:10] for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_digest(user, code)) for code in codes)
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def _digest(user: Any, code: str) -> str:
    # The library would keep them in clear. As long as its column, and of no use without the desk's key.
    return salted_hmac("upscaler.recovery_code", f"{user.pk}:{code}", algorithm="sha256").hexdigest()[:16]


def _cleaned(typed: str) -> str:
    return re.sub(r"[\s-]", "", typed)[:100].lower()
