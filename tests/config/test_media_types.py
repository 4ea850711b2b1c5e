"""What the desk calls a picture to browsers, shops and buckets is the same on every machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from upscaler.picture_formats import FORMATS

ROOT = Path(__file__).resolve().parents[2]
# Slim images of Linux have no list of media types, so Python is left with its own.
ASK = """
import json, mimetypes, os, sys
mimetypes.knownfiles.clear()
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
print(json.dumps({ending: mimetypes.guess_type("picture" + ending)[0] for ending in sys.argv[1:]}))
"""


@pytest.mark.processes
def test_every_format_has_its_media_type_without_the_systems_list() -> None:
    expected = {ending: known.media_type for known in FORMATS.values() for ending in known.endings}
    command = [sys.executable, "-c", ASK, *expected]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == expected
