"""The pages of watched folders: where pictures are taken from by themselves, and how that goes."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from upscaler import picture_formats, upscaling_models
from upscaler.channels import teams
from upscaler.credits.refusals import CreditsRefused
from upscaler.engines import get_engine
from upscaler.errors import PublicError
from upscaler.models import Upscale, WatchedFolder
from upscaler.ordering import reorder
from upscaler.views import model_choice
from upscaler.views.access import TeamRequest, admin_required
from upscaler.views.query import number
from upscaler.views.retried import tell_refused
from upscaler.watching import batching, folders, roots, shown, tasks
from upscaler.watching.forms import FolderForm

PAGE_SIZE = 100
RETRIES_AT_ONCE = 500
Kind = WatchedFolder.Kind


@require_http_methods(["GET", "HEAD"])
@admin_required
def listing(request: TeamRequest) -> HttpResponse:
    """The team's watched folders, and how each stands."""
    found = [(folder, shown.counts(folder), shown.put_trouble(folder)) for folder in folders.of_team(request.team)]
    return render(request, "watching/list.html", {"folders": found, "roots": roots.names()})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@admin_required
def new(request: TeamRequest, kind: str) -> HttpResponse:
    """Make one, of a folder or of a bucket."""
    if kind not in Kind.values:
        raise Http404
    if kind == Kind.FOLDER and not roots.names():
        messages.error(request, "This desk has no folders to be watched: those who run it allow them (WATCHED_ROOTS).")
        return redirect("watched-folders")
    if request.method != "POST":
        initial = {"put_to": "done", "template": request.team.result_template}
        return _form(request, FolderForm(team=request.team, kind=kind, initial=initial), kind, model_choice.chosen({}))
    form = FolderForm(request.POST, team=request.team, kind=kind)
    if form.is_valid():
        folder = WatchedFolder(team=request.team, kind=kind)
        form.fill(folder)
        try:
            folders.add(folder, user=request.user, request=request)
        except PublicError as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, "The folder is watched now.")
            tasks.wake_soon()
            return redirect("watched-folder", folder.pk)
    return _form(request, form, kind, model_choice.chosen(request.POST), status=422)


@require_http_methods(["GET", "HEAD"])
@admin_required
def page(request: TeamRequest, pk: int) -> HttpResponse:
    """One folder: how it stands, and each of its files."""
    folder = _find(request, pk)
    which = request.GET.get("show", "")
    which = which if which in shown.FILTERS else ""
    files = shown.filtered(folder, which).select_related("upscale").prefetch_related("results")
    found = Paginator(files, PAGE_SIZE).get_page(number(request.GET, "page"))
    context = {
        "folder": folder,
        "counts": shown.counts(folder),
        "trouble": shown.put_trouble(folder),
        "spent": batching.spent_today(folder),
        "page": found,
        "files": shown.shown(list(found)),
        "filters": shown.FILTERS,
        "which": which,
        "model": upscaling_models.MODELS[folder.model_name],
        "channel_titles": {id_: one.title for id_, one in teams.channels(request.team).items()},
        "failed": _failed(folder).count(),
    }
    return render(request, "watching/folder.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@admin_required
def change(request: TeamRequest, pk: int) -> HttpResponse:
    """Change what becomes of its pictures and results."""
    folder = _find(request, pk)
    if request.method != "POST":
        kept = {name: getattr(folder, name) for name in FolderForm.base_fields if hasattr(folder, name)}
        form = FolderForm(team=request.team, kind=folder.kind, folder=folder, initial=kept)
        chosen = {**folder.settings, "model_name": folder.model_name, "result_format": folder.result_format}
        if folder.channels and upscaling_models.FACTOR_KEY not in folder.settings:
            chosen[upscaling_models.FACTOR_KEY] = ""
        return _form(request, form, folder.kind, model_choice.chosen({**chosen, "channels": folder.channels}), folder)
    form = FolderForm(request.POST, team=request.team, kind=folder.kind, folder=folder)
    if form.is_valid():
        form.fill(folder)
        try:
            folders.change(folder, user=request.user, request=request)
        except PublicError as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, "Saved. What comes from now on is done so.")
            return redirect("watched-folder", folder.pk)
    return _form(request, form, folder.kind, model_choice.chosen(request.POST), folder, status=422)


@require_POST
@admin_required
def look(request: TeamRequest, pk: int) -> HttpResponse:
    """Look now."""
    folder = _find(request, pk)
    if folder.off_since is not None:
        messages.warning(request, "This folder is switched off. Switch it on first.")
    else:
        folders.look_now(folder)
        tasks.wake_soon()
        messages.success(request, "The desk looks now. Reload this page to see what it found.")
    return redirect("watched-folder", folder.pk)


@require_POST
@admin_required
def switch(request: TeamRequest, pk: int) -> HttpResponse:
    """Switch a folder on or off."""
    folder, on = _find(request, pk), request.POST.get("on") == "true"
    folders.switch(folder, on=on, user=request.user, request=request)
    if on:
        tasks.wake_soon()
        messages.success(request, "The folder is watched again, and orders in your name.")
    else:
        messages.success(request, "Nothing new is taken from the folder. What was ordered is put back all the same.")
    return redirect("watched-folder", folder.pk)


@require_POST
@admin_required
def retry(request: TeamRequest, pk: int) -> HttpResponse:
    """Order anew what has failed."""
    folder = _find(request, pk)
    done, refused = 0, []
    for upscale in _failed(folder).select_related("team", "batch")[:RETRIES_AT_ONCE]:
        try:
            reorder.retry(upscale, user=request.user, request=request)
        except CreditsRefused as error:
            # The next would be refused alike.
            messages.error(request, f"{upscale.source_name}: {error.message}")
            break
        except PublicError as error:
            refused.append((upscale, error.message))
        else:
            done += 1
    if done:
        messages.success(request, f"{done:,} picture{' is' if done == 1 else 's are'} tried again.")
    tell_refused(request, refused)
    return redirect("watched-folder", folder.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def remove(request: TeamRequest, pk: int) -> HttpResponse:
    """Ask whether the folder shall be watched no more, or have it so."""
    folder = _find(request, pk)
    if request.method != "POST":
        return render(request, "watching/remove.html", {"folder": folder})
    folders.remove(folder, user=request.user, request=request)
    messages.success(request, "The folder is watched no more. Its files are where they were.")
    return redirect("watched-folders")


def _find(request: TeamRequest, pk: int) -> WatchedFolder:
    found = folders.of_team(request.team).select_related("team", "created_by")
    return get_object_or_404(found, pk=pk)


def _failed(folder: WatchedFolder) -> Any:
    mine = Upscale.objects.filter(pk__in=folder.files.filter(upscale__isnull=False).values("upscale"))
    return mine.filter(status=Upscale.Status.ERROR, deleted_at=None).exclude(
        retries__status__in=(*Upscale.OPEN, Upscale.Status.DONE)
    )


def _form(
    request: TeamRequest,
    form: FolderForm,
    kind: str,
    chosen: dict[str, Any],
    folder: WatchedFolder | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    own = ("model_name", "generation_settings", "result_format", "channels")
    context = {
        "form": form,
        "kind": kind,
        "folder": folder,
        "roots": roots.names(),
        "own_fields": [form[name] for name in form.fields if name not in own],
        "problems": [message for errors in form.errors.values() for message in errors],
        "chosen": chosen,
        "shown_models": model_choice.shown_models(get_engine(settings.ENGINE), chosen["settings"]),
        "channels": list(teams.channels(request.team).values()),
        "result_formats": picture_formats.RESULT_FORMATS,
    }
    return render(request, "watching/form.html", context, status=status)
