"""Three people and their teams: the owner, a teammate, and an outsider who must see nothing of theirs."""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import math
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from tests.support import pictures, quick_engine, services_available, tables
from tests.support.cutting_proxy import CuttingProxy
from tests.support.live_server import Desk
from tests.support.selection import group_of
from tests.support.selection import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.support.selection import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler
from upscaler import credits, no_room, usage
from upscaler.accounts import tokens
from upscaler.engines import offer
from upscaler.engines.local.engine import LocalEngine
from upscaler.health import readiness
from upscaler.models import ApiToken, Batch, Membership, Team, Upscale
from upscaler.ordering import submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.ordering.new_batches import NewBatch
from upscaler.processing import worker_step
from upscaler.queue import workers
from upscaler.storage import room, verification
from upscaler.views import page_cache

if TYPE_CHECKING:
    from tests.support.vendor import Vendor


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end, so the collector need not look at it again and again."""
    gc.freeze()
    gc.set_threshold(20_000)


ADVANCE = LocalEngine.advance
_settings_at_first: list[tuple[Any, dict[str, Any]]] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Let no test leave settings behind. Of two patches in one another the inner one has to end first."""
    yield
    if nextitem is None:
        return  # What pytest-django sets for all tests goes with the last one.
    if "desk" in item.fixturenames and group_of(item.nodeid) != group_of(nextitem.nodeid):
        # It would live to the end of all tests, and what waits for work is never quite idle.
        item._fixtureinfo.name2fixturedefs["desk"][-1].finish(item._request)  # type: ignore[attr-defined]
    wrapped: Any = settings._wrapped
    if not _settings_at_first:
        _settings_at_first.append((wrapped, dict(vars(wrapped))))
    before, values = _settings_at_first[0]
    left = [name for name, value in vars(before).items() if values.get(name) is not value]
    settings._wrapped, before.__dict__ = before, dict(values)
    assert wrapped is before and not left, f"{item.nodeid} leaves settings behind: {left}"


# Not by the fixture `monkeypatch`: begun before all others, it would end after them, and put back settings that a test
# has patched inside another fixture's, into the settings of all tests.
@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    cache.clear()
    page_cache.answers.clear()
    with pytest.MonkeyPatch.context() as patch:
        # What is wrong is broken and mended within one test.
        patch.setattr(readiness, "KEEP_FOR", 0.0)
        patch.setattr(readiness, "_last", None)
        patch.setattr(no_room, "_said_at", {})
        patch.setattr(room, "_trouble_at", None)
        # Each test is a desk that was started just now, whose workers are about to come. What a process asks once in
        # five seconds is no query of a page's: tests/queue/test_workers.py has it asked.
        patch.setattr(workers, "_last", (math.inf, None))
        patch.setattr(workers, "_began", time.monotonic())
        yield


@pytest.fixture(autouse=True)
def quick_enlarging(request: pytest.FixtureRequest) -> None:
    """With QUICK_ENGINE=1 the networks run only in tests that are marked ``engine``; else in all."""
    is_quick = os.environ.get("QUICK_ENGINE") and not request.node.get_closest_marker("engine")
    # Set for each test and never put back: a test's own patch of it may end after this fixture, and bring back its.
    setattr(LocalEngine, "advance", quick_engine.advance if is_quick else ADVANCE)  # noqa: B010


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> Iterator[None]:
    """A copy of what the migrations make is there before Django looks for this process's database."""
    name = connection.settings_dict["TEST"]["NAME"]
    if connection.vendor == "sqlite":
        tables.copy_sqlite(Path(name))
        yield
    else:
        tables.copy_postgres(name)
        yield
        connection.close()
        tables.drop_postgres(name)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Django takes the copy as it is, and migrates it: which has nothing to do but what follows any migration."""
    return True


@dataclass
class Person:
    user: Any
    team: Team
    token: str
    client: Client

    @property
    def balance(self) -> int:
        self.team.refresh_from_db()
        return self.team.balance

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """A call of the JSON API with this person's token."""
        content = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        return getattr(Client(), method)(f"/api/v1/{path}", headers=sent, **content)

    def submit(self, **data: Any) -> Any:
        """The submit page's form, sent by this person's browser."""
        return self.client.post("/", {"model_name": "recraft", **data})


def _person(name: str, team: Team, role: str = Membership.Role.MERCHANDISER) -> Person:
    user = get_user_model().objects.create_user(name, password="a-good-password")
    place = Membership.objects.create(team=team, user=user, role=role)
    # Before any moment that a test travels to.
    Membership.objects.filter(pk=place.pk).update(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    client = Client()
    client.force_login(user)
    # Past the service, so that the audit log begins empty.
    clear = tokens.PREFIX + secrets.token_urlsafe(32)
    digest = hashlib.sha256(clear.encode()).hexdigest()
    ApiToken.objects.create(team=team, user=user, name="tests", digest=digest)
    return Person(user, team, clear, client)


@pytest.fixture
def team(db: None) -> Team:
    team = Team.objects.create(name="Atelier", slug="atelier")
    credits.grant(team=team, amount=100, note="start")
    team.refresh_from_db()
    return team


@pytest.fixture
def owner(team: Team) -> Person:
    return _person("owner", team)


@pytest.fixture
def teammate(team: Team) -> Person:
    return _person("teammate", team)


@pytest.fixture
def head(team: Team) -> Person:
    """The team's admin."""
    return _person("head", team, Membership.Role.ADMIN)


@pytest.fixture
def outsider(db: None) -> Person:
    other = Team.objects.create(name="Rivals", slug="rivals")
    credits.grant(team=other, amount=100, note="start")
    return _person("outsider", other)


@pytest.fixture
def upload() -> Callable[..., SimpleUploadedFile]:
    # Each of other bytes, since the desk tells pictures apart by them.
    counter = itertools.count()

    def make(name: str = "shirt.jpg", content: bytes | None = None) -> SimpleUploadedFile:
        return SimpleUploadedFile(name, pictures.jpeg() + b"%d" % next(counter) if content is None else content)

    return make


@pytest.fixture
def order(owner: Person, upload: Callable[..., SimpleUploadedFile]) -> Callable[..., Upscale]:
    """An upscale of the owner's, through the form and the service, as the page makes it."""

    def make(*, name: str = "shirt.jpg", content: bytes | None = None, **data: Any) -> Upscale:
        model_name = offer.usual().name
        form = UpscaleForm({"model_name": model_name, **data}, {"image": upload(name, content)}, team=owner.team)
        assert form.is_valid(), form.errors
        assert form.order is not None
        return submission.submit([form.order], team=owner.team, user=owner.user)[0]

    return make


@pytest.fixture
def order_batch(owner: Person, upload: Callable[..., SimpleUploadedFile]) -> Callable[..., Batch]:
    """A batch of the owner's with a picture for each name, through the form and the service."""

    def make(*names: str, batch_name: str = "Monday", **data: Any) -> Batch:
        orders = []
        for name in names:
            form = UpscaleForm({"model_name": "recraft", **data}, {"image": upload(name)}, team=owner.team)
            assert form.is_valid() and form.order is not None, form.errors
            orders.append(form.order)
        new = NewBatch(orders[0].model_name, orders[0].settings, name=batch_name)
        rows = submission.submit(orders, team=owner.team, user=owner.user, batch=new)
        assert rows[0].batch is not None
        return rows[0].batch

    return make


@pytest.fixture
def done(order: Callable[..., Upscale]) -> Callable[..., Upscale]:
    """An upscale that the real worker has finished."""

    def make(**options: Any) -> Upscale:
        upscale = order(**options)
        worker_step.step(upscale.pk)
        upscale.refresh_from_db()
        assert upscale.status == Upscale.Status.DONE, upscale.error_message
        return upscale

    return make


@pytest.fixture
def vendor(request: pytest.FixtureRequest) -> Iterator[Vendor]:
    """A vendor that keeps the contract, and a desk with ``ENGINE=uwear`` that is pointed at it.

    It speaks the older interface, or what ``in_both_dialects`` says.
    """
    from tests.support.vendor import running

    with running(dialect=getattr(request, "param", "legacy")) as vendor:
        yield vendor


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[CuttingProxy]:
    """What this process's database connections go through, in PostgreSQL. It passes everything on until it is told."""
    if connection.vendor != "postgresql":
        pytest.skip("of PostgreSQL's line: `python -m tests.on_postgres` runs it")
    # One and the same for the connections of all threads.
    known = connection.settings_dict
    before = {name: known[name] for name in ("HOST", "PORT", "OPTIONS")}
    proxy = CuttingProxy((known["HOST"] or "127.0.0.1", int(known["PORT"] or 5432)))
    connection.close()
    known.update(HOST="127.0.0.1", PORT=proxy.port, OPTIONS={**before["OPTIONS"], "sslmode": "disable"})
    try:
        yield proxy
    finally:
        connection.close()
        known.update(before)
        proxy.close()


def move_end(upscale: Upscale, ended: datetime) -> None:
    """Pretend that an upscale ended at another time; the counts move with it."""
    Upscale.objects.filter(pk=upscale.pk).update(completed_at=ended)
    usage.rebuild(upscale.team)


def _modes() -> list[Any]:
    cluster_is_there = services_available.postgres() and services_available.rabbitmq()
    skip = pytest.mark.skipif(not cluster_is_there, reason="PostgreSQL or RabbitMQ does not answer")
    return ["embedded", pytest.param("cluster", marks=skip)]


@pytest.fixture(scope="session", params=_modes())
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A whole desk in its own processes, once on SQLite and once on PostgreSQL with RabbitMQ."""
    desk = Desk(request.param, tmp_path_factory.mktemp(request.param))
    try:
        desk.set_up()
        desk.start_web()
        desk.start_worker()
        yield desk
        assert "OK: the ledger is right" in desk.manage("check_ledger")
    finally:
        desk.close()


@pytest.fixture(autouse=True)
def the_ledger_is_right(request: pytest.FixtureRequest) -> Any:
    """After every test that used the database: no credit was lost or made up, and counts and sums fit the rows."""
    uses_database = {"db", "transactional_db"} & set(request.fixturenames)
    if uses_database:
        request.getfixturevalue("transactional_db" if "transactional_db" in uses_database else "db")
    yield
    if uses_database:
        assert credits.verify().problems == []
        assert usage.verify() == []
        assert [problem for team in Team.objects.all() for problem in verification.wrong_sums(team)] == []
