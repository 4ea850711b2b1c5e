"""What the tables of answers can't say: what the pages show, and what guards all of them."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client

from tests.conftest import Person
from upscaler.models import Upscale


def test_an_outsider_s_lists_show_nothing_of_the_team_s(outsider: Person, done: Callable[..., Upscale]) -> None:
    upscale = done(name="secret-collection.jpg")
    for url in ("/", "/history/", f"/history/live/?id={upscale.pk}", f"/history/live/?view=upscale&id={upscale.pk}"):
        answer = outsider.client.get(url)
        assert answer.status_code == 200
        assert b"secret-collection" not in answer.content
    for query in ("result", "source"):
        assert outsider.client.get(f"/?{query}={upscale.pk}").status_code == 404
    answer = outsider.submit(generation_result_id=str(upscale.result_id))
    assert answer.status_code == 422
    assert b"There is no finished result" in answer.content


def test_a_person_without_a_team_is_told_what_to_do(owner: Person) -> None:
    owner.user.memberships.all().delete()
    for url in ("/", "/history/", "/upscales/1/"):
        answer = owner.client.get(url)
        assert answer.status_code == 403
        assert b"Ask an admin" in answer.content


def test_a_merchandiser_has_no_business_in_the_admin(owner: Person) -> None:
    answer = owner.client.get("/admin/", follow=True)
    assert answer.redirect_chain[0][0].startswith("/admin/login/")


def test_staff_see_every_table_in_the_admin_but_can_t_write_money_or_status(
    owner: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    owner.user.is_staff = owner.user.is_superuser = True
    owner.user.save()
    for model in ("team", "membership", "apitoken", "upscale", "creditentry", "email"):
        assert owner.client.get(f"/admin/upscaler/{model}/").status_code == 200
        assert owner.client.get(f"/admin/upscaler/{model}/?q=a").status_code == 200
    for model, pk in (("upscale", upscale.pk), ("creditentry", upscale.entries.get().pk)):
        assert owner.client.get(f"/admin/upscaler/{model}/{pk}/change/").status_code == 200
        assert owner.client.post(f"/admin/upscaler/{model}/{pk}/change/", {"status": "Error"}).status_code == 403
        assert owner.client.post(f"/admin/upscaler/{model}/{pk}/delete/", {"post": "yes"}).status_code == 403
        assert owner.client.get(f"/admin/upscaler/{model}/add/").status_code == 403


def test_pages_forbid_inline_scripts_and_styles(owner: Person) -> None:
    # The API's docs are a page, whatever token a call of them brings.
    for path, headers in (("/", {}), ("/api/v1/docs", {"Authorization": "Bearer ups_x"})):
        policy = owner.client.get(path, headers=headers)["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe-inline" not in policy
        assert "unsafe-eval" not in policy


def test_a_form_without_the_csrf_token_is_refused(owner: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner.user)
    assert client.post("/", {"model_name": "recraft"}).status_code == 403


def test_health_and_readiness_need_no_sign_in(db: None) -> None:
    assert Client().get("/healthz").content == b"ok"
    ready = Client().get("/readyz")
    assert ready.status_code == 200
    parts = ("database", "queue", "engine", "media", "workers")
    assert ready.json() == {"ready": True, **dict.fromkeys(parts, "ok")}


def test_readiness_names_what_is_missing(db: None, settings: object, tmp_path: object) -> None:
    settings.MEDIA_ROOT = "/dev/null/media"  # type: ignore[attr-defined]
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["media"] == "can't be written"
