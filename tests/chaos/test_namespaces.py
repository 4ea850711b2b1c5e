"""Hosts on one machine, their cables, and what is left of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.chaos import namespaces
from tests.chaos.namespaces import WORLD, Host, Switch
from tests.support import webserver
from tests.support.live_server import ROOT, command_of, until
from tests.support.relay import Relay

if REASON := namespaces.why_not():
    pytest.skip(f"no hosts can be made here: {REASON}", allow_module_level=True)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.allow_hosts(["127.0.0.1", "::1", "localhost", f"{namespaces.NET}.0/24"]),
]
ASK = """
import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=1).read().decode())
except OSError:
    print("nothing")
"""
RUN = """
from tests.chaos.namespaces import Host, Switch
switch = Switch()
host = Host(switch, "one", 11)
import subprocess, sys
subprocess.Popen([*host.enter, "sleep", sys.argv[1]])
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def switch() -> Iterator[Switch]:
    switch = Switch()
    yield switch
    switch.end()


@pytest.fixture
def host(switch: Switch) -> Iterator[Host]:
    host = Host(switch, "one", 11)
    yield host
    host.end()


@pytest.fixture
def shop(switch: Switch) -> Iterator[str]:
    """What answers “hello” at an address of the hosts'."""
    with webserver.serving(lambda handler: webserver.body(b"hello")) as server:
        name, port = server.split(":")
        relay = Relay((name, int(port)), listener=switch.listen(WORLD))
        yield f"http://{WORLD}:{relay.port}/"
        relay.close()


def heard(host: Host, url: str) -> str:
    """What one of its processes gets from there."""
    ask = [*host.enter, sys.executable, "-c", ASK, url]
    return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()


def test_a_line_is_cut_and_comes_back(host: Host, shop: str) -> None:
    assert heard(host, shop) == "hello"
    for cut, mend in (
        (host.pull_out, host.plug_in),
        (lambda: host.mute(WORLD), lambda: host.unmute(WORLD)),
        (host.deafen, host.undeafen),
    ):
        cut()
        assert heard(host, shop) == "nothing"
        mend()
        until(lambda: heard(host, shop) == "hello", what="the line is back")


def test_a_host_without_power_boots_again(host: Host, shop: str) -> None:
    assert heard(host, shop) == "hello"
    host.lose_power()
    host.boot_again()
    assert heard(host, shop) == "hello"


def test_a_host_can_be_asked_from_here(switch: Switch, host: Host) -> None:
    served = subprocess.Popen([*host.enter, sys.executable, "-m", "http.server", "8000"], stderr=subprocess.DEVNULL)
    relay = Relay((host.address, 8000), connect=switch.connect)
    try:

        def answers() -> bool:
            try:
                return requests.get(f"http://127.0.0.1:{relay.port}/README.md", timeout=5).ok
            except requests.RequestException:
                return False

        until(answers, what="the host answers")
    finally:
        relay.close()
        served.kill()
        served.wait()


def test_nothing_is_left_of_a_run_that_was_killed() -> None:
    seconds = str(10**6 + os.getpid())
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, seconds], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None and run.stdout.readline() == "ready\n"
    until(lambda: _sleeping(seconds), what="something runs on the host")
    run.kill()
    run.communicate()
    until(lambda: not _sleeping(seconds), what="what ran on the host is gone")


def _sleeping(seconds: str) -> list[Path]:
    """Processes that sleep for so long, on whatever host."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if command_of(int(process.name)).split() == ["sleep", seconds]:
            found.append(process)
    return found
