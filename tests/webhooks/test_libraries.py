"""Messages as libraries check them that none of us wrote: the specification's own in JavaScript, and one that shares no
code with it (replicate's). The specification's own in Python checks every message in the other tests."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Person
from tests.support.receiver import receiving, send_all
from tests.webhooks.test_delivery import PAGE, listen, told
from upscaler.webhooks import endpoints

PACKAGES = ("standardwebhooks@1.1.1", "replicate@1.4.0")
CHECK = """
const { Webhook } = require("standardwebhooks");
const { validateWebhook } = require("replicate");
(async () => {
  const said = [];
  for (const { headers, body, secret } of JSON.parse(process.argv[2])) {
    let own = true;
    try { new Webhook(secret).verify(body, headers); } catch (error) { own = false; }
    said.push([own, await validateWebhook({ headers, body }, secret)]);
  }
  console.log(JSON.stringify(said));
})();
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the libraries."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", *PACKAGES]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"npm could not install {', '.join(PACKAGES)}: {done.stderr[-300:]}")
    (folder / "check.js").write_text(CHECK)
    return folder


def checked(node: Path, *messages: dict[str, Any]) -> Any:
    command = ["node", "check.js", json.dumps(messages)]
    done = subprocess.run(command, cwd=node, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def test_other_libraries_believe_our_messages_and_no_others(owner: Person, node: Path) -> None:
    with receiving() as receiver:
        endpoint = listen(owner, receiver)
        told(owner)
        send_all()
        new = endpoints.rotate(endpoint, by=owner.user, request=PAGE)
        told(owner)
        send_all()
    (headers, body), (both_headers, both_body) = receiver.messages
    wrong = "whsec_" + "B" * 32
    said = checked(
        node,
        {"headers": headers, "body": body, "secret": endpoint.secret},
        {"headers": both_headers, "body": both_body, "secret": endpoint.secret},
        {"headers": both_headers, "body": both_body, "secret": new},
        {"headers": headers, "body": body, "secret": new},
        {"headers": headers, "body": body, "secret": wrong},
        {"headers": headers, "body": body.replace("failed", "completed"), "secret": endpoint.secret},
        {"headers": {**headers, "webhook-id": "msg_other"}, "body": body, "secret": endpoint.secret},
    )
    assert said == [[True, True]] * 3 + [[False, False]] * 4
