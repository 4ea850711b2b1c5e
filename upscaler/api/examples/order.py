"""Enlarge every JPEG of this folder. Run it again after a break: nothing is paid twice."""

import hashlib
import os
from pathlib import Path

import requests  # pip install requests

DESK = "{desk}/api/v1"
session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['TOKEN']}"

for path in sorted(Path(".").glob("*.jpg")):
    content = path.read_bytes()
    # The same bytes with the same key are the same order.
    key = hashlib.sha256(content).hexdigest()
    answer = session.post(
        f"{DESK}/generation-upscale",
        params={"wait": 60},
        headers={"Idempotency-Key": key},
        files={"file": (path.name, content)},
        data={"model_name": "recraft", "reference": path.stem},
        timeout=90,
    )
    answer.raise_for_status()
    generation = answer.json()
    while generation["status"] not in ("Done", "Error"):
        url = f"{DESK}/generation/{generation['generation_id']}"
        generation = session.get(url, params={"wait": 60}, timeout=90).json()
    if generation["status"] == "Error":
        print(path.name, "failed:", generation["error"])
        continue
    folder = Path("enlarged")
    folder.mkdir(exist_ok=True)
    picture = session.get(generation["generation_results"][0]["image_url"], timeout=300)
    picture.raise_for_status()
    (folder / path.name).write_bytes(picture.content)
    print(path.name, "is done")
