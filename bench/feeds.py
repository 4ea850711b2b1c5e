"""``python -m bench.feeds``: a catalogue check of many pictures on the loopback, whose worker is killed on the way, and
the reading of a feed of a million rows. Prints what was counted, and fails where the report is not exactly what was
planted."""

from __future__ import annotations

import argparse
import io
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SIZES = ((400, 500), (499, 500), (500, 499), (500, 500), (700, 1000), (1500, 1500), (1500, 2200), (90, 90))
KINDS = (("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("JPEG", {"icc_profile": bytes(30_000)}), ("JPEG", {"exif": b""}))
MISSING_EVERY = 97
RANGES_NOT_KNOWN_EVERY = 10
"""Of the pictures, so many are served whole, whatever is asked for."""


def size_of(number: int) -> tuple[int, int]:
    """Width and height of a planted picture."""
    return SIZES[number * 7919 % 101 % len(SIZES)]


def is_missing(number: int) -> bool:
    """Whether the server has nothing in its place."""
    return number % MISSING_EVERY == 5


def serve() -> None:
    """Serve the pictures until killed; prints the port."""
    from PIL import Image

    files: dict[tuple[int, int, int], bytes] = {}
    for width, height in SIZES:
        noise = Image.effect_noise((width, height), 40).convert("RGB")
        for kind, (name, options) in enumerate(KINDS):
            out = io.BytesIO()
            noise.save(out, name, **options)
            files[width, height, kind] = out.getvalue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            found = re.fullmatch(r"/p/(\d+)\.jpg", self.path)
            if found is None or is_missing(number := int(found[1])):
                self._send(404, b"", {})
                return
            content = files[(*size_of(number), number % len(KINDS))]
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if asked is None or number % RANGES_NOT_KNOWN_EVERY == 3:
                self._send(200, content, {})
                return
            start, end = int(asked[1]), min(int(asked[2]), len(content) - 1)
            headers = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
            self._send(206, content[start : end + 1], headers)

        def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), "Content-Type": "image/jpeg", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Whoever has seen enough of a picture hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


def work() -> None:
    """Be a worker for catalogue checks until none is open; prints the most memory that it took, in MB."""
    _django()
    from upscaler.feeds import work as feed_work
    from upscaler.models import FeedCheck

    while FeedCheck.objects.filter(status__in=FeedCheck.OPEN).exists():
        if not feed_work.step():
            time.sleep(1)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)


def check(products: int, pictures: int, kill_at: int) -> None:
    """The check of pictures on the loopback, killed once ``kill_at`` are measured."""
    server = subprocess.Popen([sys.executable, "-m", "bench.feeds", "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        host = f"127.0.0.1:{server.stdout.readline().strip()}"
        os.environ["FETCH_ALLOW_HOSTS"] = host
        _django()
        from upscaler.feeds import limits, report
        from upscaler.models import FeedCheck

        row = _begin("Catalogue", _google(host, products, pictures // products))
        began = time.monotonic()
        worker = _worker()
        while FeedCheck.objects.get(pk=row.pk).measured < kill_at:
            time.sleep(0.2)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        row.refresh_from_db()
        at_kill, killed_at = row.measured, time.monotonic()
        print(f"killed after {killed_at - began:.1f} s with {at_kill:,} of {row.pictures:,} measured", flush=True)
        worker = _worker()
        memory = worker.communicate()[0].strip()
        row.refresh_from_db()
        print(f"status {row.status}; {time.monotonic() - began:.1f} s in all, {row.seconds:.1f} s of them measuring")
        print(f"{row.requests:,} requests, {row.bytes_read / 1e6:.1f} MB of bodies, {memory} MB of memory at most")
        [google] = limits.chosen(row.feed.team, ["google"])
        told = set(report.pictures(row, google, limits.BELOW_MINIMUM).values_list("url", flat=True))
        planted = {n for n in range(pictures) if min(size_of(n)) < 500 and not is_missing(n)}
        assert told == {f"http://{host}/p/{n}.jpg" for n in planted}, "not exactly the planted ones"
        gone = report.pictures(row, google, limits.UNREACHABLE).count()
        assert gone == sum(map(is_missing, range(pictures))), gone
        each = pictures // products
        figures: dict[str, Any] = row.counts["channels"]["google"]
        assert figures["below_minimum"] == len({n // each for n in planted})
        print(
            f"below the minimum: exactly the {len(told):,} planted pictures, of {figures['below_minimum']:,} products"
        )
        print(f"not reached: exactly the {gone:,} planted ones")
        assert row.requests < pictures * 1.7, "far more requests than pictures"
    finally:
        server.kill()


def rows(number: int) -> None:
    """The memory that reading a feed takes, of a tenth as many rows and of all, without the pictures."""
    for name, made in (("TSV", _tsv), ("XML", _google_lines)):
        for count in (number // 10, number):
            with tempfile.NamedTemporaryFile() as file:
                for line in made(count):
                    file.write(line)
                file.flush()
                size = file.tell() / 1e6
                code = (
                    "import sys,time,resource; from bench.feeds import _django; _django();"
                    "from upscaler.feeds.reader import Feed; t=time.monotonic();"
                    "n=sum(1 for _ in Feed(open(sys.argv[1],'rb')));"
                    "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024, round(time.monotonic()-t,1))"
                )
                command = [sys.executable, "-c", code, file.name]
                read, memory, seconds = subprocess.check_output(command, text=True).split()
                assert int(read) == count
                print(f"{name}: {count:,} rows, {size:,.0f} MB: {memory} MB of memory at most, {seconds} s", flush=True)


def kept(number: int) -> None:
    """The same of the whole step with the database: read, kept and counted; no picture is asked for."""
    _django()
    from upscaler.models import FeedCheck, FeedPicture

    row = _begin("Million", _tsv(number, "ftp"))
    began = time.monotonic()
    memory = _worker().communicate()[0].strip()
    row = FeedCheck.objects.get(pk=row.pk)
    assert (row.status, row.pictures) == ("Done", number), (row.status, row.problem)
    assert FeedPicture.objects.filter(check_of=row).count() == number
    print(f"{number:,} rows read and kept: {memory} MB of memory at most, {time.monotonic() - began:.0f} s", flush=True)


def _worker() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "bench.feeds", "--work"], stdout=subprocess.PIPE, text=True)


def _google(host: str, products: int, each: int) -> Iterator[bytes]:
    yield b'<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel>'
    for product in range(products):
        first = product * each
        extra = "".join(
            f"<g:additional_image_link>http://{host}/p/{n}.jpg</g:additional_image_link>"
            for n in range(first + 1, first + each)
        )
        yield (
            f"<item><g:id>SKU-{product}</g:id><title>Shirt {product}</title>"
            f"<g:image_link>http://{host}/p/{first}.jpg</g:image_link>{extra}</item>\n"
        ).encode()
    yield b"</channel></rss>"


def _google_lines(number: int) -> Iterator[bytes]:
    yield b'<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel>'
    for product in range(number):
        yield (
            f"<item><g:id>SKU-{product}</g:id><title>Shirt {product}</title><description>{'Of cotton. ' * 20}"
            f"</description><g:image_link>https://cdn.shop.example/p/{product}.jpg</g:image_link></item>\n"
        ).encode()
    yield b"</channel></rss>"


def _tsv(number: int, scheme: str = "https") -> Iterator[bytes]:
    yield b"id\ttitle\tdescription\timage_link\n"
    for product in range(number):
        about = "Of cotton. " * 20
        yield f"SKU-{product}\tShirt {product}\t{about}\t{scheme}://cdn.shop.example/p/{product}.jpg\n".encode()


def _begin(name: str, lines: Iterator[bytes]) -> Any:
    from upscaler.feeds import records
    from upscaler.models import Team

    team, _ = Team.objects.get_or_create(slug="bench-feeds", defaults={"name": "Bench"})
    with tempfile.NamedTemporaryFile() as file:
        for line in lines:
            file.write(line)
        size = file.tell()
        file.seek(0)
        stored = records.store_file(file)
    feed = records.create_feed(team=team, user=None, name=name, channels=["google"])
    return records.begin_check(feed, user=None, file=stored, file_name=name, file_size=size)


def _django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.feeds")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--work", action="store_true")
    parser.add_argument("--products", type=int, default=5_000)
    parser.add_argument("--pictures", type=int, default=20_000, help="0 leaves that part out")
    parser.add_argument("--rows", type=int, default=1_000_000, help="0 leaves that part out")
    asked = parser.parse_args()
    if asked.serve:
        return serve()
    if asked.work:
        return work()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{Path(folder, 'bench.sqlite3')}")
        os.environ["MEDIA_ROOT"] = folder
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], check=True)
        if asked.rows:
            rows(asked.rows)
        if asked.pictures:
            check(asked.products, asked.pictures, asked.pictures // 2)
        if asked.rows:
            kept(asked.rows)
    return None


if __name__ == "__main__":
    main()
