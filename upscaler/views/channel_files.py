"""Files for channels on an upscale's page: made when somebody asks, kept, and downloaded."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from upscaler import no_room
from upscaler.accounts import download_log
from upscaler.channels import files, teams
from upscaler.errors import PublicError
from upscaler.imaging import decoding
from upscaler.models import ChannelFile, Upscale
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.files import serve, withheld

logger = logging.getLogger(__name__)

STORAGE_TROUBLE = "The file could not be stored. Try again in a few minutes; if it stays so, tell an admin."


@require_POST
@team_required
def make(request: TeamRequest, pk: int) -> HttpResponse:
    """Fit the result to a channel, which costs nothing."""
    upscale = get_object_or_404(Upscale.objects.present(), team=request.team, pk=pk)
    try:
        channel = teams.find(request.team, request.POST.get("channel", ""))
        crop, trim = (request.POST.get(wish) == "true" for wish in ("crop", "trim"))
        made = files.make(upscale, channel, crop=crop, trim=trim, patience=decoding.Patience())
    except PublicError as refusal:
        # Without the place in the page: the message stands at its top.
        messages.error(request, refusal.message)
        return redirect("upscale", pk)
    except OSError as error:
        doing = f"upscale {pk}: its file for a shop could not be stored"
        messages.error(request, no_room.sentence(error, STORAGE_TROUBLE, logger=logger, doing=doing))
        return redirect("upscale", pk)
    else:
        if made.problems:
            messages.warning(
                request, f"The file for {made.title} is made, but {made.title} may refuse it: see why below."
            )
        else:
            messages.success(request, f"The file for {made.title} is ready.")
    return redirect(f"{reverse('upscale', args=[pk])}#channels")


@require_safe
@team_required
def download(request: TeamRequest, pk: int) -> HttpResponseBase:
    """A channel file under the name that the channel's rule gives it, or the result's own where a code is missing."""
    made = get_object_or_404(
        ChannelFile.objects.select_related("upscale__team").exclude(file=""),
        pk=pk,
        upscale__team=request.team,
        upscale__withdrawn_at=None,
        upscale__deleted_at=None,
    )
    if made.upscale.why_withheld:
        return withheld(request, made.upscale)
    if not files.is_current(made, files.rules_of(request.team)):
        messages.error(
            request, f"The rules for {made.title} have changed since this file was made. Make it anew below."
        )
        return redirect(f"{reverse('upscale', args=[made.upscale_id])}#channels")
    response = serve(made.file, name=files.name_of(made), as_attachment=True)
    download_log.note(made.upscale, user=request.user, request=request)
    return response
