"""A desk on three hosts, one for the web servers and two for workers, and what befalls their cables and their power."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.chaos.desks import GUNICORN, ChaosDesk, address_of, through
from tests.chaos.faults import Faults
from tests.chaos.namespaces import BROKER, DATABASE, WORLD, Host, Switch
from tests.chaos.outside import Outside
from tests.support.live_server import kill_all, until
from tests.support.relay import Address, Relay

CUT_FOR = 6.0
"""Seconds, twice the desk's lease of 3."""
HOLD_THE_TEAM = """
import time
from django.db import connection, transaction
from upscaler.models import Team
with transaction.atomic():
    connection.cursor().execute("SET application_name = 'holder'")
    Team.objects.select_for_update().get(slug="demo")
    time.sleep(600)
"""
HOLDER = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'holder' AND state = 'idle in transaction'"


class HostsDesk(ChaosDesk):
    """Its hosts reach database, broker and all else by their own network alone; they share the pictures' folder."""

    def __init__(self, folder: Path) -> None:
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.without_power: set[str] = set()
        """The names of those hosts that lost it at any time."""
        super().__init__("cluster", folder)

    def _go_through_proxies(self) -> None:
        self.switch = Switch()
        self.web_host = Host(self.switch, "web", 11)
        self.worker_hosts = [Host(self.switch, f"worker-{number}", 20 + number) for number in (1, 2)]
        self._relays: list[Relay] = []
        database, broker = self.environment["DATABASE_URL"], self.environment["BROKER_URL"]
        self._inside = {
            "DATABASE_URL": through(database, self._offer(DATABASE, address_of(database, 5432))),
            "BROKER_URL": through(broker, self._offer(BROKER, address_of(broker, 5672))),
            "TRANSACTION_IDLE_SECONDS": "4",
            "HOST": self.web_host.address,
            "CHAOS_REAL_EVERY": "4",
            # So that each worker is in the middle of a picture at most times.
            "CHAOS_PACE": "0.6",
        }
        for url in self.urls.values():
            address = address_of(url, 80)
            there = (self.web_host.address, address[1])
            self._relays.append(Relay(there, listener=socket.create_server(address), connect=self.switch.connect))

    def _offer(self, address: str, upstream: Address) -> Address:
        """Let the hosts reach what listens on this machine."""
        relay = Relay(upstream, listener=self.switch.listen(address))
        self._relays.append(relay)
        return address, relay.port

    def meet(self, world: Outside) -> None:
        def offered(host: str) -> str:
            address, port = self._offer(WORLD, address_of(f"//{host}", 80))
            return f"{address}:{port}"

        world.vendor.host, world.shop, world.hooks = map(offered, (world.vendor.host, world.shop, world.hooks))
        super().meet(world)

    def temporary(self, host: Host) -> Path:
        """The folder for what the host's processes need for a while."""
        return Path(self.environment["TMPDIR"]) / host.name

    def _start_on(self, host: Host, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        self.temporary(host).mkdir(exist_ok=True)
        own = {**self._inside, "TMPDIR": str(self.temporary(host)), **environment}
        return self._start([*host.enter, *command], **own)

    def _start_web(self, engine: str) -> subprocess.Popen[bytes]:
        return self._start_on(self.web_host, GUNICORN, ENGINE=engine, PORT=self.urls[engine].rpartition(":")[2])

    def start_worker(self) -> None:
        """On each of the workers' hosts where none runs."""
        for host in self.worker_hosts:
            if host.name not in self.workers:
                self.workers[host.name] = self._start_on(host, [sys.executable, "manage.py", "runworker"])

    def lose_power(self, host: Host) -> None:
        """What ran on a worker's host is gone; `Host.boot_again` and `start_worker` bring it back."""
        self.without_power.add(host.name)
        host.lose_power()
        self.workers.pop(host.name).wait()

    def hold_the_team(self, host: Host) -> None:
        """A process of the host's locks the team's row, without which nobody can order."""
        self._start_on(host, [sys.executable, "manage.py", "shell", "-c", HOLD_THE_TEAM])
        until(lambda: self.rows(HOLDER), what="the team's row is locked", seconds=60)

    def close(self) -> None:
        for worker in self.workers.values():
            kill_all(worker)
        super().close()
        for relay in self._relays:
            relay.close()
        for host in [self.web_host, *self.worker_hosts]:
            host.end()
        self.switch.end()


class HostFaults(Faults):
    """Each takes longer than a lease; ``kills`` counts them all."""

    _desk: HostsDesk

    def _all_deeds(self) -> dict[str, Callable[[], bool]]:
        return {
            "pull out a worker's cable": lambda: self._cut(Host.pull_out, Host.plug_in),
            "nothing of a worker's arrives": lambda: self._mute(DATABASE, BROKER, WORLD),
            "nothing arrives at a worker": lambda: self._cut(Host.deafen, Host.undeafen),
            "a worker is cut from the database": lambda: self._mute(DATABASE),
            "a worker is cut from the broker": lambda: self._mute(BROKER),
            "pull out the web server's cable": lambda: self._cut(Host.pull_out, Host.plug_in, self._desk.web_host),
            "a worker's host loses power": lambda: self._lose_power(self._desk.worker_hosts[0]),
            "a host loses power that holds the team's row": self._lose_the_holder,
        }

    def _any_worker(self) -> Host:
        return self._chance.choice(self._desk.worker_hosts)

    def _cut(self, cut: Callable[[Host], None], mend: Callable[[Host], None], host: Host | None = None) -> bool:
        host = host or self._any_worker()
        self.watch.note(self._held())
        cut(host)
        # Also where the run ends meanwhile: nothing may stay cut.
        threading.Event().wait(CUT_FOR)
        mend(host)
        self.kills += 1
        return True

    def _mute(self, *addresses: str) -> bool:
        return self._cut(lambda host: host.mute(*addresses), lambda host: host.unmute(*addresses))

    def _lose_power(self, host: Host) -> bool:
        # Always the same one's: what the other leaves in its temporary folder, it left for its line alone.
        self.watch.note(self._held())
        self._desk.lose_power(host)
        threading.Event().wait(CUT_FOR)
        host.boot_again()
        self._desk.start_worker()
        self.kills += 1
        return True

    def _lose_the_holder(self) -> bool:
        host = self._desk.worker_hosts[0]
        self._desk.hold_the_team(host)
        return self._lose_power(host)


def left_folders(desk: HostsDesk) -> list[str]:
    """What workers left in their temporary folders that lost no more than their line."""
    hosts = [host for host in desk.worker_hosts if host.name not in desk.without_power]
    return [f"{host.name} left {path.name}" for host in hosts for path in desk.temporary(host).glob("upscaler-work-*")]
