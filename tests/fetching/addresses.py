"""Addresses as people and attackers give them, each with its outcome.

``python -m tests.fetching.addresses`` prints the table.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field

import brotli

from tests.fetching.addresses_read import READ, SHARED
from tests.support import pictures, webserver
from tests.support.webserver import Answer, body, needs_cookie, raw, redirect

PICTURE = pictures.jpeg()
ANSWERED = body(PICTURE)
PAGE = b"<!DOCTYPE html><html><head><title>Shirt</title></head><body><img src=shirt.jpg></body></html>"
S3_EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message>'
    b"<X-Amz-Expires>3600</X-Amz-Expires></Error>"
)
BOMB = bytes(30_000_000)


@dataclass(frozen=True)
class Served:
    """One address that is asked for, at a server of the test's own."""

    pages: dict[str, Answer]
    """By path; the one that is asked for first is ``/a``, unless ``path`` says otherwise."""
    outcome: str
    """The picture's name, or the code of the refusal."""
    words: str = ""
    """What the refusal says, in part."""
    path: str = "/a"
    retry_after: float | None = None
    host: str = ""
    """A name that leads to the server, in place of its IP address."""
    is_permanent: bool | None = field(default=None)


def named(disposition: str | bytes) -> Answer:
    """The picture with this ``Content-Disposition``."""
    value = disposition.encode() if isinstance(disposition, str) else disposition
    length = b"Content-Length: %d\r\n" % len(PICTURE)
    return raw(b"HTTP/1.1 200 OK\r\n" + length + b"Content-Disposition: " + value + b"\r\n\r\n" + PICTURE)


def leading(location: bytes) -> Answer:
    """A redirect whose ``Location`` has these bytes."""
    return raw(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n")


def storage_error(status: int, code: str, message: str = "No.") -> Answer:
    """As S3 and those who speak its protocol refuse."""
    return body(f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode(), status)


SERVED: dict[str, Served] = {
    "a plain picture": Served({"/shirt.jpg": ANSWERED}, "shirt.jpg", path="/shirt.jpg"),
    "a blank in the path": Served({"/red%20dress.jpg": ANSWERED}, "red dress.jpg", path="/red dress.jpg"),
    "umlauts in the path": Served({"/Gr%C3%B6%C3%9Fe.jpg": ANSWERED}, "Größe.jpg", path="/Größe.jpg"),
    "a stray percent sign": Served({"/100%25.jpg": ANSWERED}, "100%.jpg", path="/100%.jpg"),
    "a host with umlauts": Served({"/a": ANSWERED}, "a", host="grüße.example"),
    "a host with an underscore": Served({"/a": ANSWERED}, "a", host="my_shop.example"),
    "301": Served({"/a": body(b"", 301, Location="/b.jpg"), "/b.jpg": ANSWERED}, "b.jpg"),
    "303": Served({"/a": body(b"", 303, Location="/b.jpg"), "/b.jpg": ANSWERED}, "b.jpg"),
    "307": Served({"/a": body(b"", 307, Location="/b.jpg"), "/b.jpg": ANSWERED}, "b.jpg"),
    "308": Served({"/a": body(b"", 308, Location="/b.jpg"), "/b.jpg": ANSWERED}, "b.jpg"),
    "a redirect beside it": Served({"/x/a": redirect("b.jpg"), "/x/b.jpg": ANSWERED}, "b.jpg", path="/x/a"),
    "a redirect to a number": Served(
        {"/shirt.jpg": redirect("/8f7e"), "/8f7e": ANSWERED}, "shirt.jpg", path="/shirt.jpg"
    ),
    "a redirect with a blank": Served(
        {"/a": leading(b"/red dress.jpg"), "/red%20dress.jpg": ANSWERED}, "red dress.jpg"
    ),
    "a redirect in UTF-8": Served(
        {"/a": leading("/Größe.jpg".encode()), "/Gr%C3%B6%C3%9Fe.jpg": ANSWERED}, "Größe.jpg"
    ),
    "a redirect in Latin-1": Served({"/a": leading(b"/\xe9t\xe9.jpg"), "/%C3%A9t%C3%A9.jpg": ANSWERED}, "été.jpg"),
    "eight redirects": Served(
        {"/a": redirect("/1"), **{f"/{n}": redirect(f"/{n + 1}") for n in range(1, 8)}, "/8": ANSWERED}, "8"
    ),
    "a redirect with a long signature": Served({"/a": redirect("/b.jpg?s=" + "s" * 3000), "/b.jpg": ANSWERED}, "b.jpg"),
    "a redirect with an endless body": Served(
        {"/a": raw(b"HTTP/1.1 302 Found\r\nLocation: /b.jpg\r\n\r\n" + bytes(3_000_000)), "/b.jpg": ANSWERED}, "b.jpg"
    ),
    "a redirect to itself": Served({"/a": redirect("/a")}, "fetch_redirects"),
    "a redirect to nothing": Served({"/a": leading(b"")}, "fetch_redirects"),
    "a redirect without a place": Served({"/a": body(b"", 302)}, "fetch_status"),
    "a redirect to nonsense": Served({"/a": redirect("http://[")}, "url_parsing", "leads on to something"),
    "a redirect to a file": Served({"/a": redirect("file:///etc/passwd")}, "url_parsing"),
    "a redirect to a program": Served({"/a": redirect("data:image/png;base64,AAAA")}, "url_parsing"),
    "a redirect to the cloud's data": Served({"/a": redirect("http://169.254.169.254/")}, "url_private"),
    "a redirect to this machine": Served({"/a": redirect("http://localhost/")}, "url_private"),
    "a redirect to site-local": Served({"/a": redirect("http://[fec0::1]/")}, "url_private"),
    "a redirect to an odd port": Served({"/a": redirect("http://shop.example:6379/")}, "url_port"),
    "a redirect with a password": Served({"/a": redirect("http://me:pw@shop.example/")}, "url_parsing"),
    "a cookie along the chain": Served(
        {
            "/a": body(b"", 302, Location="/b", Set_Cookie="share=yes; Path=/"),
            "/b": needs_cookie("share=yes", ANSWERED, body(b"", 403)),
        },
        "b",
    ),
    "a cookie in a circle": Served(
        {"/a": needs_cookie("seen=1", ANSWERED, body(b"", 302, Location="/a", Set_Cookie="seen=1"))}, "a"
    ),
    "a cookie of another path": Served(
        {
            "/a": body(b"", 302, Location="/b", Set_Cookie="share=yes; Path=/other/"),
            "/b": needs_cookie("share=yes", ANSWERED, body(b"", 403)),
        },
        "fetch_refused",
    ),
    "a cookie of another host": Served(
        {
            "/a": body(b"", 302, Location="/b", Set_Cookie="share=yes; Domain=shop.example"),
            "/b": needs_cookie("share=yes", ANSWERED, body(b"", 403)),
        },
        "fetch_refused",
    ),
    "a cookie for TLS alone": Served(
        {
            "/a": body(b"", 302, Location="/b", Set_Cookie="share=yes; Secure"),
            "/b": needs_cookie("share=yes", ANSWERED, body(b"", 403)),
        },
        "fetch_refused",
    ),
    "203": Served({"/a": body(PICTURE, 203)}, "a"),
    "206 with all of it": Served(
        {"/a": body(PICTURE, 206, Content_Range=f"bytes 0-{len(PICTURE) - 1}/{len(PICTURE)}")}, "a"
    ),
    "206 with a part": Served(
        {"/a": body(PICTURE[:100], 206, Content_Range=f"bytes 0-99/{len(PICTURE)}")}, "fetch_status", "only a part"
    ),
    "206 of unknown size": Served({"/a": body(PICTURE, 206, Content_Range="bytes 0-99/*")}, "fetch_status"),
    "206 that says nothing": Served({"/a": body(PICTURE, 206)}, "fetch_status"),
    "206 with less than it says": Served(
        {"/a": body(PICTURE[:100], 206, Content_Range=f"bytes 0-{len(PICTURE) - 1}/{len(PICTURE)}")},
        "fetch_unreachable",
    ),
    "204": Served({"/a": body(b"", 204)}, "fetch_status"),
    "202": Served({"/a": body(b"soon", 202)}, "fetch_status"),
    "304": Served({"/a": body(b"", 304)}, "fetch_status"),
    "400": Served({"/a": body(b"", 400)}, "fetch_status", is_permanent=True),
    "401": Served({"/a": body(b"", 401)}, "fetch_refused", is_permanent=True),
    "403": Served({"/a": body(b"", 403)}, "fetch_refused", "private browser window", is_permanent=True),
    "404": Served({"/a": body(b"", 404)}, "fetch_refused", is_permanent=True),
    "410": Served({"/a": body(b"", 410)}, "fetch_refused", is_permanent=True),
    "404 with a page": Served({"/a": body(PAGE, 404)}, "fetch_refused"),
    "408": Served({"/a": body(b"", 408)}, "fetch_status", is_permanent=False),
    "429": Served({"/a": body(b"", 429)}, "fetch_status", is_permanent=False),
    "429 with a time": Served(
        {"/a": body(b"", 429, Retry_After="90")}, "fetch_status", is_permanent=False, retry_after=90
    ),
    "503 with a time": Served(
        {"/a": body(b"", 503, Retry_After="600")}, "fetch_status", is_permanent=False, retry_after=600
    ),
    "503 with a past date": Served(
        {"/a": body(b"", 503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")},
        "fetch_status",
        is_permanent=False,
        retry_after=0,
    ),
    "503 with nonsense": Served({"/a": body(b"", 503, Retry_After="soon ²")}, "fetch_status", is_permanent=False),
    "429 for a day": Served({"/a": body(b"", 429, Retry_After="86400")}, "fetch_status", "24 hours", is_permanent=True),
    "500": Served({"/a": body(b"", 500)}, "fetch_status", is_permanent=False),
    "a page": Served({"/a": body(PAGE)}, "not_a_picture", "This is a web page; open it and copy the picture’s own"),
    "a page called a picture": Served({"/a": body(PAGE, Content_Type="image/jpeg")}, "not_a_picture", "web page"),
    "a page with a comment first": Served({"/a": body(b"\n<!-- x -->\n<HTML>")}, "not_a_picture", "web page"),
    "a page in UTF-16": Served({"/a": body(PAGE.decode().encode("utf-16"))}, "not_a_picture", "web page"),
    "a page with a mark first": Served({"/a": body(b"\xef\xbb\xbf" + PAGE)}, "not_a_picture", "web page"),
    "an odd page": Served(
        {"/a": body(b"<x-app>", Content_Type="text/html; charset=utf-8")}, "not_a_picture", "web page"
    ),
    "a packed page": Served({"/a": body(gzip.compress(PAGE), Content_Encoding="gzip")}, "not_a_picture", "web page"),
    "a picture called a page": Served({"/a": body(PICTURE, Content_Type="text/html")}, "a"),
    "a page of Dropbox": Served({"/a": body(PAGE)}, "not_a_picture", "In Dropbox", host="www.dropbox.com"),
    "a page of Google Drive": Served({"/a": body(PAGE)}, "not_a_picture", "In Google Drive", host="drive.google.com"),
    "a page of OneDrive": Served({"/a": body(PAGE)}, "not_a_picture", "OneDrive hands out", host="1drv.ms"),
    "a page of SharePoint": Served({"/a": body(PAGE)}, "not_a_picture", "Anyone with", host="x.sharepoint.com"),
    "a page of Box": Served({"/a": body(PAGE)}, "not_a_picture", "“Direct Link”", host="app.box.com"),
    "a page of WeTransfer": Served({"/a": body(PAGE)}, "not_a_picture", "WeTransfer hands out", host="we.tl"),
    "a page of iCloud": Served({"/a": body(PAGE)}, "not_a_picture", "iCloud hands out", host="www.icloud.com"),
    "S3: a link that ran out": Served({"/a": body(S3_EXPIRED, 403)}, "fetch_refused", "has run out", is_permanent=True),
    "S3: a token that ran out": Served({"/a": storage_error(400, "ExpiredToken")}, "fetch_refused", "has run out"),
    "S3: not public": Served({"/a": storage_error(403, "AccessDenied")}, "fetch_refused", "Make it public"),
    "S3: no such file": Served({"/a": storage_error(404, "NoSuchKey")}, "fetch_refused", "has no file"),
    "S3: no such bucket": Served({"/a": storage_error(404, "NoSuchBucket")}, "fetch_refused", "has no file"),
    "S3: a cut signature": Served(
        {"/a": storage_error(403, "SignatureDoesNotMatch")}, "fetch_refused", "does not take the signature"
    ),
    "S3: slow down": Served({"/a": storage_error(503, "SlowDown")}, "fetch_status", is_permanent=False),
    "S3: an error as an answer": Served({"/a": storage_error(200, "AccessDenied")}, "fetch_refused", "Make it public"),
    "Azure: ran out": Served(
        {
            "/a": body(
                b"\xef\xbb\xbf<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code><Message>Failed</Message>"
                b"<AuthenticationErrorDetail>Signature not valid in the specified time frame: Expiry [x]"
                b"</AuthenticationErrorDetail></Error>",
                403,
            )
        },
        "fetch_refused",
        "has run out",
    ),
    "Azure: no such file": Served({"/a": storage_error(404, "BlobNotFound")}, "fetch_refused", "has no file"),
    "Google: no such file": Served({"/a": storage_error(404, "NoSuchKey", "gone")}, "fetch_refused", "has no file"),
    "CloudFront: no key": Served({"/a": storage_error(403, "MissingKey")}, "fetch_refused", "Make it public"),
    "an XML bomb": Served(
        {"/a": body(b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 1000 + b'">]><Error>' + b"&a;" * 10_000, 403)},
        "fetch_refused",
    ),
    "a gzip that nobody asked for": Served({"/a": body(gzip.compress(PICTURE), Content_Encoding="gzip")}, "a"),
    "a brotli that nobody asked for": Served({"/a": body(brotli.compress(PICTURE), Content_Encoding="br")}, "a"),
    "a gzip bomb": Served({"/a": body(gzip.compress(BOMB), Content_Encoding="gzip")}, "too_large"),
    "a gzip bomb in a gzip": Served(
        {"/a": body(gzip.compress(gzip.compress(BOMB)), Content_Encoding="gzip, gzip")}, "too_large"
    ),
    "a brotli bomb": Served({"/a": body(brotli.compress(BOMB, quality=1), Content_Encoding="br")}, "too_large"),
    "a deflate bomb": Served({"/a": body(zlib.compress(BOMB), Content_Encoding="deflate")}, "too_large"),
    "a gzip that is none": Served({"/a": body(PICTURE, Content_Encoding="gzip")}, "fetch_unreachable"),
    "endless": Served({"/a": webserver.endless}, "too_large"),
    "announced too large": Served({"/a": body(b"", Content_Length="51000000")}, "too_large"),
    "announced with 5,000 digits": Served({"/a": body(b"", Content_Length="9" * 5000)}, "too_large"),
    "cut in the middle": Served({"/a": webserver.hang_up}, "fetch_unreachable"),
    "cut before it begins": Served({"/a": webserver.cut}, "fetch_unreachable"),
    "no HTTP at all": Served({"/a": raw(b"SSH-2.0-OpenSSH_9.2\r\n")}, "fetch_unreachable"),
    "a header without end": Served(
        {"/a": raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n")}, "fetch_unreachable"
    ),
    "a thousand headers": Served(
        {"/a": raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n")}, "fetch_unreachable"
    ),
    "dripping headers": Served({"/a": webserver.dripping_head}, "fetch_timeout", is_permanent=False),
    "a dripping body": Served({"/a": webserver.dripping_body}, "fetch_timeout", is_permanent=False),
    "endless Continue": Served({"/a": webserver.continuing}, "fetch_timeout", is_permanent=False),
    "dripping Continue": Served({"/a": webserver.dripping_continue}, "fetch_timeout", is_permanent=False),
    "silence": Served({"/a": webserver.silent}, "fetch_timeout", is_permanent=False),
    "a name": Served({"/a": named('attachment; filename="red dress.jpg"')}, "red dress.jpg"),
    "a name without quotes": Served({"/a": named("attachment; filename=shirt.jpg")}, "shirt.jpg"),
    "a name with blanks and no quotes": Served({"/a": named("attachment; filename=red dress.jpg")}, "red dress.jpg"),
    "a name in both forms": Served(
        {"/a": named("attachment; filename=\"Gr__e.jpg\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.jpg")}, "Größe.jpg"
    ),
    "a name in both forms, the other way round": Served(
        {"/a": named("attachment; filename*=utf-8'de'Gr%C3%B6%C3%9Fe.jpg; filename=a.jpg")}, "Größe.jpg"
    ),
    "a name in Latin-1": Served({"/a": named("inline; filename*=iso-8859-1''%E9t%E9.jpg")}, "été.jpg"),
    "a name in an unknown form": Served(
        {"/a": named("attachment; filename*=x-none''%E9.jpg; filename=a.jpg")}, "a.jpg"
    ),
    "a name in raw UTF-8": Served({"/a": named('attachment; filename="連衣裙.jpg"')}, "連衣裙.jpg"),
    "a name in raw Latin-1": Served({"/a": named(b'attachment; filename="\xe9t\xe9.jpg"')}, "été.jpg"),
    "a name as in an e-mail": Served({"/a": named('attachment; filename="=?UTF-8?B?R3LDtsOfZS5qcGc=?="')}, "Größe.jpg"),
    "a name with percent signs": Served({"/a": named('attachment; filename="red%20dress.jpg"')}, "red dress.jpg"),
    "a name with a quote": Served({"/a": named(r'attachment; filename="3\" pipe; new.jpg"')}, '3" pipe; new.jpg'),
    "a name with dots": Served({"/a": named('attachment; filename="SKU-12.5 red"')}, "SKU-12.5 red"),
    "a name without a kind": Served({"/a": named('filename="shirt.jpg"')}, "shirt.jpg"),
    "a name with folders": Served({"/a": named('attachment; filename="../../etc/shirt.jpg"')}, "shirt.jpg"),
    "a name of Windows": Served({"/a": named('attachment; filename="C:\\photos\\shirt.jpg"')}, "shirt.jpg"),
    "a name that turns": Served({"/a": named("attachment; filename*=UTF-8''%E2%80%AEgpj.exe")}, "gpj.exe"),
    "a name with lines": Served({"/a": named("attachment; filename*=UTF-8''a%0D%0AX-Evil: 1.jpg")}, "aX-Evil: 1.jpg"),
    "an empty name": Served({"/shirt.jpg": named('attachment; filename=""')}, "shirt.jpg", path="/shirt.jpg"),
    "a name of dots": Served({"/shirt.jpg": named('attachment; filename=".."')}, "shirt.jpg", path="/shirt.jpg"),
    "no name": Served({"/shirt.jpg": named("attachment")}, "shirt.jpg", path="/shirt.jpg"),
}


def main() -> None:
    """Print all of it."""
    rows = [*READ.items(), *SHARED.items()]
    rows += [(about, f"{case.outcome}{f': {case.words}' if case.words else ''}") for about, case in SERVED.items()]
    for given, outcome in rows:
        print(f"{given[:70]!a:75} {outcome[:110]!a}")
    print(f"{len(rows)} addresses")


if __name__ == "__main__":
    main()
