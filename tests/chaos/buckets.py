"""A desk whose pictures lie in a bucket, and what befalls the line there."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

import boto3
import requests

from tests.chaos.desks import ChaosDesk
from tests.chaos.faults import Faults
from tests.support.bucket_line import TROUBLES, BucketLine, Trouble, to_bucket
from tests.support.live_server import free_port, kill_all, until

BUCKET, PREFIX = "pictures", "desk/"
KEY, SECRET = "KEY", "SECRET"
AWAY_FOR = 5.0
"""Seconds, more than the desk waits for an answer here, with all its repeats (`apps.READ_TIMEOUT`)."""


class BucketDesk(ChaosDesk):
    """As ``cluster``, with a server of S3 beside it that is reached by a line of its own."""

    on_disks = ("temporary",)

    def __init__(self, folder: Path) -> None:
        super().__init__("cluster", folder)
        self._beside = ExitStack()
        self._server_host = f"127.0.0.1:{free_port()}"

    def set_up(self) -> None:
        self._beside.callback(kill_all, self._start_server())
        until(self._makes_the_bucket, what="the bucket's server starts", seconds=60)
        self.line: BucketLine = self._beside.enter_context(to_bucket(self._server_host))
        self.environment["MEDIA_URL_S3"] = f"s3+http://{KEY}:{SECRET}@127.0.0.1:{self.line.port}/{BUCKET}/{PREFIX}"
        super().set_up()

    def _start_server(self) -> subprocess.Popen[bytes]:
        host, port = self._server_host.split(":")
        command = [sys.executable, "-m", "moto.server", "--host", host, "--port", port]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def _makes_the_bucket(self) -> bool:
        try:
            return requests.put(f"http://{self._server_host}/{BUCKET}", timeout=5).ok
        except requests.RequestException:
            return False

    def _bucket(self) -> Any:
        # Past the line.
        there = boto3.resource(
            "s3",
            endpoint_url=f"http://{self._server_host}",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        return there.Bucket(BUCKET)

    def stored(self) -> set[str]:
        return {item.key.removeprefix(PREFIX) for item in self._bucket().objects.all()}

    def read(self, name: str) -> IO[bytes]:
        try:
            answer: IO[bytes] = self._bucket().Object(PREFIX + name).get()["Body"]
        except self._bucket().meta.client.exceptions.NoSuchKey as error:
            raise FileNotFoundError(name) from error
        return answer

    def close(self) -> None:
        super().close()
        self._beside.close()


class BucketFaults(Faults):
    """Those of ``cluster``, and the bucket's."""

    _desk: BucketDesk

    def _all_deeds(self) -> dict[str, Callable[[], bool]]:
        return super()._all_deeds() | {f"the bucket is {trouble}": partial(self._fail, trouble) for trouble in TROUBLES}

    def _fail(self, trouble: Trouble) -> bool:
        self._desk.line.fail(trouble)
        # Also where the run ends meanwhile: nothing may stay cut.
        threading.Event().wait(AWAY_FOR)
        self._desk.line.mend()
        return True
