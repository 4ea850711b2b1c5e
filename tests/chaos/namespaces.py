"""Several hosts on one machine: each is a set of Linux namespaces with a network, a name and processes of its own.

::

    the machine        the cables' other ends                    a host
    PostgreSQL ◄── Relay ◄── 10.213.0.1 ─┐                 ┌── 10.213.0.11 web
    RabbitMQ   ◄── Relay ◄── 10.213.0.2 ─┼── bridge ── veth ┼── 10.213.0.21 worker
    the rest   ◄── Relay ◄── 10.213.0.3 ─┘                 └── 10.213.0.22 worker

Nothing of it has a name on the machine or stands in the machine's own network. Namespaces live as long as their first
process, which ends with this one: nothing is left behind, SIGKILL or not.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from tests.support.live_server import ROOT, command_of, until
from tests.support.relay import Address

NET = "10.213.0"
DATABASE, BROKER, WORLD = (f"{NET}.{number}" for number in (1, 2, 3))
"""Where the hosts find PostgreSQL, RabbitMQ, and everything else."""
NOBODY = "02:00:00:00:00:01"
"""A network card that is not there: what is sent to it arrives nowhere, and nobody is told."""
FIRST = "cat"
CLONE_NEWNET = 0x40000000


def why_not() -> str:
    """What keeps this machine from having hosts; empty where nothing does."""
    if missing := [tool for tool in ("ip", "nsenter", "unshare") if not shutil.which(tool)]:
        return f"there is no {', '.join(missing)}"
    if os.geteuid() != 0:
        return "only root may make namespaces"
    tried = subprocess.run(
        ["unshare", "--net", "ip", "link", "add", "probe", "type", "veth", "peer", "name", "other"],
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.stderr.strip() if tried.returncode else ""


class Namespaces:
    """A network, a name and processes of their own."""

    def __init__(self) -> None:
        # It ends once nobody holds the other end of its input, and everything else in its namespaces with it.
        made = ["unshare", "--net", "--uts", "--pid", "--mount-proc", "--fork", "--kill-child"]
        self._keeper = subprocess.Popen([*made, FIRST], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.pid = until(self._first, what="the namespaces are made", seconds=10)
        self.run("ip", "link", "set", "lo", "up")

    def _first(self) -> int | None:
        children = Path(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}/children").read_text().split()
        # Before it is that command, it is not ready yet.
        return int(children[0]) if children and command_of(int(children[0])).strip() == FIRST else None

    @property
    def enter(self) -> list[str]:
        """What stands before a command that runs in here."""
        return ["nsenter", "--target", str(self.pid), "--net", "--uts", "--pid", "--mount", "--wd"]

    def run(self, *command: str, check: bool = True) -> None:
        """One of this machine's tools, which sees the network in here and the processes out there."""
        seen = ["nsenter", "--target", str(self.pid), "--net", "--uts"]
        subprocess.run([*seen, *command], check=check, capture_output=True)

    def socket(self, make: Callable[[], socket.socket]) -> socket.socket:
        """A socket of this network. It stays in it, whoever uses it."""
        made: list[socket.socket | Exception] = []

        def inside() -> None:
            try:
                with Path(f"/proc/{self.pid}/ns/net").open() as net:
                    if ctypes.CDLL(None, use_errno=True).setns(net.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(make())
            except Exception as error:
                made.append(error)

        # A thread has a network of its own, and this one ends with it.
        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if isinstance(made[0], Exception):
            raise made[0]
        return made[0]

    def end(self) -> None:
        """As a power cut: its processes are gone, and nobody whom they talked to hears of it."""
        self._keeper.kill()
        self._keeper.wait()


class Switch:
    """What the hosts' cables lead to, with the addresses of all that they use."""

    def __init__(self) -> None:
        self._inside = Namespaces()
        self._inside.run("ip", "link", "add", "switch", "type", "bridge")
        for address in (DATABASE, BROKER, WORLD):
            self._inside.run("ip", "address", "add", f"{address}/24", "dev", "switch")
        self._inside.run("ip", "link", "set", "switch", "up")

    def listen(self, address: str) -> socket.socket:
        """A listener there, for the hosts."""
        return self._inside.socket(lambda: socket.create_server((address, 0)))

    def connect(self, address: Address) -> socket.socket:
        """A line to a host."""
        line = self._inside.socket(lambda: socket.create_connection(address, timeout=5))
        line.settimeout(None)
        return line

    def run(self, *command: str, check: bool = True) -> None:
        """See `Namespaces.run`."""
        self._inside.run(*command, check=check)

    def end(self) -> None:
        self._inside.end()


class Host:
    """A machine with a network card, a name and processes of its own. Its files are this machine's."""

    def __init__(self, switch: Switch, name: str, number: int) -> None:
        self.name = name
        self.address = f"{NET}.{number}"
        self._switch = switch
        self._cable = f"to-{number}"
        self._boot()

    def _boot(self) -> None:
        self._inside = Namespaces()
        self._inside.run("hostname", self.name)
        pid = str(self._inside.pid)
        self._switch.run("ip", "link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", pid)
        self._switch.run("ip", "link", "set", self._cable, "master", "switch", "up")
        self._inside.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self._inside.run("ip", "link", "set", "eth0", "up")

    @property
    def enter(self) -> list[str]:
        """What stands before a command that runs on it."""
        return self._inside.enter

    def pull_out(self) -> None:
        """Pull its cable out."""
        self._switch.run("ip", "link", "set", self._cable, "down")

    def plug_in(self) -> None:
        """Put the cable back."""
        self._switch.run("ip", "link", "set", self._cable, "up")

    def mute(self, *addresses: str) -> None:
        """Nothing that it sends to these arrives any more; it still gets what they send."""
        for address in addresses:
            self._inside.run(*_neighbour("replace", address, "eth0"))

    def unmute(self, *addresses: str) -> None:
        for address in addresses:
            self._inside.run("ip", "neighbour", "delete", address, "dev", "eth0")

    def deafen(self) -> None:
        """Nothing that is sent to it arrives any more; what it sends still does."""
        self._switch.run(*_neighbour("replace", self.address, "switch"))

    def undeafen(self) -> None:
        self._switch.run("ip", "neighbour", "delete", self.address, "dev", "switch")

    def lose_power(self) -> None:
        """All of its processes and connections are gone, and it says so to nobody."""
        # Else each connection of a process that dies would be closed in good order.
        self.pull_out()
        self._inside.end()

    def boot_again(self) -> None:
        """With the same address."""
        # The cable's end here may outlive the other one for a moment.
        self._switch.run("ip", "link", "delete", self._cable, check=False)
        self._boot()

    def end(self) -> None:
        self._inside.end()


def _neighbour(verb: str, address: str, device: str) -> list[str]:
    return ["ip", "neighbour", verb, address, "lladdr", NOBODY, "dev", device, "nud", "permanent"]
