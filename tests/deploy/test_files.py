"""The files in `deploy/` and beside it say nothing that the desk does not know."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from config import gunicorn
from tests.support import webserver
from upscaler.health import metrics

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
OF_COMPOSE = {"POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", "S3_PASSWORD", "TLS_FOLDER"}
"""What `deploy/compose.env` names that no setting of the desk is."""
OF_PYTHON = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "TMPDIR"}


def known() -> set[str]:
    """Every setting that `.env.example` names."""
    return set(re.findall(r"^# ([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.M))


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def compose() -> dict[str, Any]:
    [found] = documents(ROOT / "compose.yaml")
    return found


def of_the_desk() -> dict[str, dict[str, Any]]:
    """The services of compose.yaml that run the desk's own image."""
    services = compose()["services"]
    return {name: service for name, service in services.items() if service["image"].startswith("upscaler:")}


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in KUBERNETES:
        for document in documents(path):
            if "template" in document.get("spec", {}):
                yield document["metadata"]["name"], document["spec"]["template"]["spec"]


def names_in(path: Path) -> set[str]:
    return set(re.findall(r"^([A-Z][A-Z0-9_]*)=", path.read_text(), re.M))


def test_compose_sets_nothing_that_the_desk_does_not_read() -> None:
    assert len(of_the_desk()) == 4
    for name, service in of_the_desk().items():
        assert set(service["environment"]) <= known(), name


def test_what_compose_asks_for_is_in_the_example_and_the_other_way_round() -> None:
    asked = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", (ROOT / "compose.yaml").read_text()))
    example = names_in(ROOT / "deploy/compose.env")
    assert asked == example
    assert example <= known() | OF_COMPOSE


def test_the_image_sets_nothing_that_the_desk_does_not_read() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    last = text[text.rindex("\nFROM ") :]
    [environment] = re.findall(r"^ENV (.*)$", last, re.M)
    assert set(re.findall(r"([A-Z][A-Z0-9_]*)=", environment)) <= known() | OF_PYTHON
    # A plain copy of this checkout would bring keys and pictures along.
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


@pytest.mark.processes
def test_the_images_health_check_asks_the_port_that_the_web_process_listens_on() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    [written] = re.findall(r"^HEALTHCHECK .*? CMD (\[.*\])$", text, re.M)
    python, *arguments = json.loads(written)
    assert python == "python"
    asked = []

    def answer(handler: BaseHTTPRequestHandler) -> webserver.Answer:
        asked.append(handler.path)
        return webserver.body(b"ok")

    with webserver.serving(answer) as host:
        there = os.environ | {"PORT": host.partition(":")[2]}
        subprocess.run([sys.executable, *arguments], env=there, check=True, timeout=20)
        assert asked == ["/healthz"]
    gone = subprocess.run([sys.executable, *arguments], env=there, capture_output=True, timeout=20)
    assert gone.returncode != 0


def test_kubernetes_sets_nothing_that_the_desk_does_not_read() -> None:
    [config] = documents(ROOT / "deploy/kubernetes/config.yaml")
    assert set(config["data"]) <= known()
    secrets = re.findall(r"# with (.*)\.", (ROOT / "deploy/kubernetes/config.yaml").read_text())
    assert set(secrets[0].split(", ")) <= known()


def test_systemd_sets_nothing_that_the_desk_does_not_read() -> None:
    assert names_in(ROOT / "deploy/systemd/environment") <= known()


def test_every_command_that_is_run_is_there() -> None:
    everything = [ROOT / "compose.yaml", *KUBERNETES, *UNITS]
    run = [name for path in everything for name in re.findall(r"manage\.py,? ([a-z_]+)", path.read_text())]
    assert {"migrate", "runworker", "backup", "check_ledger"} <= set(run) <= set(get_commands())


def test_every_pod_and_service_is_confined() -> None:
    for name, service in of_the_desk().items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    found = dict(pods())
    assert set(found) == {"upscaler-migrate", "upscaler-web", "upscaler-worker-cpu", "upscaler-worker-io"}
    for name, pod in found.items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        for container in pod["containers"]:
            confined = container["securityContext"]
            assert confined["readOnlyRootFilesystem"] and not confined["allowPrivilegeEscalation"], name
            assert confined["capabilities"] == {"drop": ["ALL"]}, name
            written = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert {"/tmp", "/var/tmp/upscaler"} <= written, name


def test_workers_are_given_time_to_end_the_picture_at_hand() -> None:
    assert dict(pods())["upscaler-worker-cpu"]["terminationGracePeriodSeconds"] >= settings.LOCAL_TIME_LIMIT
    assert of_the_desk()["worker-cpu"]["stop_grace_period"] == "10m"
    unit = (ROOT / "deploy/systemd/upscaler-worker.service").read_text()
    assert "TimeoutStopSec=600\nKillMode=mixed\n" in unit


def test_kubernetes_finds_what_it_names() -> None:
    resources = documents(ROOT / "deploy/kubernetes/kustomization.yaml")[0]["resources"]
    assert {path.name for path in KUBERNETES} == {"kustomization.yaml", *resources}
    everything = [document for path in KUBERNETES for document in documents(path)]
    named = {(document["kind"], document.get("metadata", {}).get("name")) for document in everything}
    [scaled] = [document for document in everything if document["kind"] == "ScaledObject"]
    assert ("Deployment", scaled["spec"]["scaleTargetRef"]["name"]) in named
    for document in everything:
        if document["kind"] == "Deployment":
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert document["spec"]["selector"]["matchLabels"] == labels
    # An apply would set the number back that the autoscaler has chosen.
    [worker] = [
        one
        for one in everything
        if one.get("metadata", {}).get("name") == "upscaler-worker-cpu" and one["kind"] == "Deployment"
    ]
    assert "replicas" not in worker["spec"]


def test_the_proxy_lets_through_what_the_desk_takes() -> None:
    for path in ("deploy/nginx/upscaler.conf", "deploy/kubernetes/web.yaml", "docs/deployment.md"):
        [size] = set(re.findall(r"(?:client_max_body_size|proxy-body-size:) (\d+)m", (ROOT / path).read_text()))
        assert int(size) * 1_000_000 > max(settings.MAX_ARCHIVE_BYTES, settings.FEED_MAX_BYTES), path
    text = (ROOT / "deploy/nginx/upscaler.conf").read_text()
    [seconds] = re.findall(r"proxy_read_timeout (\d+)s", text)
    assert int(seconds) > settings.API_WAIT_SECONDS
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in text


def test_the_desk_closes_no_connection_that_the_proxy_still_uses() -> None:
    upstream = (
        (ROOT / "deploy/nginx/upscaler.conf").read_text().partition("upstream upscaler_web {")[2].partition("}")[0]
    )
    [kept] = re.findall(r"keepalive_timeout (\d+)s", upstream)
    assert int(kept) < gunicorn.keepalive


def _metrics_named_in(text: str) -> set[str]:
    return set(re.findall(r"\b(upscaler_[a-z_]+)(?=[{\[)\s\"/]|$)", text))


@pytest.mark.parametrize(
    "path",
    ["deploy/grafana/upscaler.json", "deploy/prometheus/upscaler.rules.yml", "deploy/kubernetes/scaling.yaml"],
)
def test_only_metrics_that_are_there_are_asked_for(db: None, path: str) -> None:
    families = re.findall(r"^# TYPE (\S+) (\S+)", metrics.text().decode(), re.M)
    there = {name for name, _ in families}
    for name, kind in families:
        if kind == "histogram":
            there |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    text = (ROOT / path).read_text()
    if path.endswith(".json"):
        text = "\n".join(target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"])
    asked = _metrics_named_in(text)
    assert asked
    assert asked <= there


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_kubernetes_takes_the_manifests(path: Path) -> None:
    # Its libraries take seconds to load, also where this test is not run.
    import kubernetes_validate

    for document in documents(path):
        # These two are no part of Kubernetes itself.
        if document["kind"] not in ("Kustomization", "ScaledObject"):
            kubernetes_validate.validate(document, "1.34", strict=True)
