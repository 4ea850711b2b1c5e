"""The pages of channels: the table and the team's own rows, files checked before an upload, and codes of products."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from upscaler.batches import codes as codes_tables
from upscaler.batches import spreadsheets
from upscaler.channels import check, due, forms, table, teams, words
from upscaler.channels.table import CHANNELS, Channel
from upscaler.errors import PublicError
from upscaler.imaging import decoding, intake
from upscaler.models import ProductCode
from upscaler.picture_formats import ACCEPT
from upscaler.views.access import TeamRequest, admin_required, team_required

CHECKED = "checked_channel"
"""The session's key of the channel that files were checked for last."""


@require_safe
@team_required
def listing(request: TeamRequest) -> HttpResponse:
    """What each shop asks for, with source and day."""
    return _table(request)


@require_POST
@admin_required
def switch(request: TeamRequest, channel_id: str) -> HttpResponse:
    """Switch a channel off for the team, or on again."""
    is_off = request.POST.get("to") == "off"
    try:
        channel = teams.switch(request.team, channel_id, is_off=is_off)
    except PublicError as refusal:
        messages.error(request, refusal.message)
    else:
        if not is_off:
            due.rules_changed(request.team, channel.id)
        messages.success(request, f"{channel.title} is switched {'off' if is_off else 'on'} for {request.team.name}.")
    return redirect("channels")


@require_POST
@admin_required
def copy(request: TeamRequest, channel_id: str) -> HttpResponse:
    """Make a channel of the team's own from a row."""
    try:
        made = teams.copy(request.team, channel_id, request.POST.get("title", ""))
    except PublicError as refusal:
        messages.error(request, refusal.message)
        return redirect("channels")
    messages.success(request, f"{made.title} is made. Change its numbers here.")
    return redirect("channel", made.id)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def change(request: TeamRequest, channel_id: str) -> HttpResponse:
    """Change or delete a channel of the team's own."""
    own = {one.channel.id: one.channel for one in teams.listed(request.team) if one.is_own}
    channel = own.get(channel_id)
    if channel is None:
        known = CHANNELS.get(channel_id)
        what = f"{known.title} is a row of the table" if known else "There is no such channel"
        messages.error(
            request, f"{what}: only the team’s own channels can be changed. Copy a row, and change the copy."
        )
        return redirect("channels")
    if request.method != "POST":
        return _form(request, channel, forms.ChannelForm(initial=forms.initial(channel)))
    if request.POST.get("do") == "delete":
        teams.delete(request.team, channel_id)
        messages.success(request, f"{channel.title} is deleted.")
        return redirect("channels")
    form = forms.ChannelForm(request.POST)
    if not form.is_valid():
        return _form(request, channel, form, status=422)
    changed = form.changed(channel)
    teams.save(request.team, changed)
    if table.rules(changed) == table.rules(channel):
        messages.success(request, f"{changed.title} is saved.")
    else:
        due.rules_changed(request.team, changed.id)
        messages.success(
            request, f"{changed.title} is saved. Its files of the last {due.RECENT.days} days’ batches are made anew."
        )
    return redirect("channels")


@require_POST
@team_required
def codes(request: TeamRequest) -> HttpResponse:
    """Take a table of SKU, ASIN, EAN and GTIN. What is wrong in it is named by its row."""
    file = request.FILES.get("codes")
    if file is None:
        messages.error(request, "Choose the table first: a .csv or .xlsx file with SKU and ASIN, EAN or GTIN.")
        return redirect("channels")
    try:
        read = codes_tables.read(file, file.name or "")
        new, known = teams.keep_codes(request.team, read.codes)
    except PublicError as refusal:
        return _table(request, status=422, codes_problem=refusal.message)
    if not read.wrong_count:
        messages.success(request, f"Codes of {new + known:,} products are kept, {new:,} of them new.")
        return redirect("channels")
    return _table(request, codes_read=read, kept=new + known)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def check_files(request: TeamRequest) -> HttpResponse:
    """Judge files by a channel's rules. Nothing is kept and nothing is charged."""
    usable = teams.channels(request.team)
    if request.method != "POST":
        return _check(request, usable, request.GET.get("channel") or request.session.get(CHECKED, ""))
    given = request.POST.get("channel", "")
    files = request.FILES.getlist("files")
    try:
        channel = teams.find(request.team, given)
    except PublicError as refusal:
        return _check(request, usable, "", problem=refusal.message, status=422)
    if not files or len(files) > settings.MAX_FILES:
        problem = f"Choose 1 to {settings.MAX_FILES} pictures."
        return _check(request, usable, given, problem=problem, status=422)
    request.session[CHECKED] = given
    patience = decoding.Patience()
    judged = [_judged(file, channel, patience) for file in files]
    return _check(request, usable, given, judged=judged, channel=channel)


def _judged(file: Any, channel: Channel, patience: decoding.Patience) -> dict[str, Any]:
    name = file.name or "picture"
    try:
        measured = intake.measure(file, name=name, patience=patience)
    except PublicError as error:
        return {"name": name, "problem": error.message, "passed": False}
    ending = f".{name.rpartition('.')[2]}" if "." in name else ""
    findings = check.judge(measured, channel, ending=ending)
    return {
        "name": name,
        "findings": findings,
        "failed": [finding for finding in findings if not finding.passed],
        "passed": all(finding.passed for finding in findings),
        "advice": check.advice(measured, channel),
    }


def _table(request: TeamRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    listed = teams.listed(request.team)
    context = {
        "rows": [{"listed": one, "words": words.row(one.channel)} for one in listed],
        "codes_count": ProductCode.objects.filter(team=request.team).count(),
        "codes_accept": ",".join(spreadsheets.ENDINGS),
        **more,
    }
    return render(request, "channels/table.html", context, status=status)


def _check(
    request: TeamRequest, usable: dict[str, Channel], chosen: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        "channels": usable.values(),
        "chosen": chosen,
        "accept": ACCEPT,
        "most": settings.MAX_FILES,
        "most_mb": settings.MAX_UPLOAD_BYTES // 1_000_000,
        **more,
    }
    return render(request, "channels/check.html", context, status=status)


def _form(request: TeamRequest, channel: Channel, form: forms.ChannelForm, *, status: int = 200) -> HttpResponse:
    return render(request, "channels/change.html", {"channel": channel, "form": form}, status=status)
