"""`upscaler`: the commands, their options, and what their ends mean to a script."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

from upscaler_client import operations
from upscaler_client.cli import skus
from upscaler_client.cli.console import Console, counted
from upscaler_client.cli.push import Declined, Push, push
from upscaler_client.client import Client
from upscaler_client.errors import NotAllowed, NotAuthenticated, NotEnoughCredits, UpscalerError
from upscaler_client.shapes import Batch, Generation, Item, Options

DONE, FAILED, USAGE, SOME_FAILED, NO_CREDITS, NO_TOKEN, STOPPED = 0, 1, 2, 3, 4, 5, 130
EPILOG = """\
environment:
  UPSCALER_URL    the desk's address, such as https://desk.example
  UPSCALER_TOKEN  a token, from the desk's page Team > Tokens

exit codes:
  0 done   1 refused or broken   2 wrong use   3 some pictures failed (the others are there)
  4 not enough credits   5 the token is missing or not good   130 stopped with Ctrl-C
"""


def run() -> None:
    """The command, as it is installed."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)
    console = Console(is_quiet=options.quiet)
    try:
        if not options.url or not options.token:
            missing = "UPSCALER_URL (or --url)" if not options.url else "UPSCALER_TOKEN (or --token)"
            console.fail(f"{missing} is not set. {EPILOG.splitlines()[1 if not options.url else 2].strip()}.")
            return USAGE if not options.url else NO_TOKEN
        with Client(options.url, options.token) as client:
            command = cast(Callable[[Client, argparse.Namespace, Console], int], options.command)
            return command(client, options, console)
    except KeyboardInterrupt:
        console.fail("Stopped. The same command goes on from here.")
        return STOPPED
    except (UpscalerError, OSError) as error:
        console.fail(str(error))
        return _code_of(error)


def _code_of(error: Exception) -> int:
    # An error of one of many files stands behind the one that names the file.
    for one in (error, error.__cause__):
        if isinstance(one, NotEnoughCredits):
            return NO_CREDITS
        if isinstance(one, (NotAuthenticated, NotAllowed)):
            return NO_TOKEN
    return FAILED


def _push(client: Client, options: argparse.Namespace, console: Console) -> int:
    wanted = Push(
        folder=options.folder,
        out=options.out,
        sku=options.sku,
        options=_order_options(options, name=options.name or options.folder.resolve().name),
        is_agreed=options.yes,
        skips_refused=options.skip_refused,
    )
    try:
        pushed = push(client, options.url, wanted, console)
    except Declined as declined:
        console.say(str(declined))
        return FAILED
    batch = pushed.batch
    for row in client.generations(batch_id=batch.batch_id, status="Error") if batch.failed else ():
        console.say(f"Failed: {row.name or row.generation_id}: {row.error}")
    spent = batch.credits_charged - batch.credits_refunded
    console.say(f"{batch.done:,} of {counted(batch.total, 'picture')} done for {counted(spent, 'credit')}.")
    if pushed.skipped:
        console.say(f"Left out: {', '.join(pushed.skipped)}.")
    if batch.done:
        console.result(str(options.out))
    return SOME_FAILED if batch.failed or pushed.skipped else DONE


def _order(client: Client, options: argparse.Namespace, console: Console) -> int:
    source = _source(options.source)
    settings = _order_options(options, name=options.name)
    out = options.out or _beside(options.source)
    if out.exists():
        raise UpscalerError(f"“{out}” is there already. Choose another name with --out.")
    if isinstance(source, Path):
        source = client.upload(source)
    if not options.yes:
        quote = client.quote([Item(source)], **settings)
        console.say(f"It costs {counted(quote.credits, 'credit')}; {quote.balance_after:,} are left then.")
        if not console.confirm("Order it?"):
            console.say("Nothing was ordered.")
            return FAILED
    taken = client.order(source, **settings, sku=options.sku)
    number = taken.generation_id
    console.say(f"Generation {number} is ordered.")
    try:
        return _follow(client, number, out, console)
    except KeyboardInterrupt:
        console.fail(f"Stopped here; the desk goes on. “upscaler status {number} --out {out}” gets the result.")
        return STOPPED


def _status(client: Client, options: argparse.Namespace, console: Console) -> int:
    if options.number is None:
        lines = map(_batch_line, client.batches()) if options.batch else map(_generation_line, client.generations())
        for line in islice(lines, max(0, options.last)):
            console.result(line)
        return DONE
    if options.batch:
        batch = client.batch(options.number)
        console.result(_batch_line(batch))
        if options.out is not None:
            client.results_zip(batch.batch_id, options.out)
            console.result(str(options.out))
        return SOME_FAILED if batch.failed else DONE
    if options.out is not None:
        return _follow(client, options.number, options.out, console)
    found = client.generation(options.number)
    console.result(_generation_line(found))
    return SOME_FAILED if found.status == "Error" else DONE


def _follow(client: Client, number: int, out: Path, console: Console) -> int:
    try:
        ended = client.follow(number, on_change=lambda now: console.line(f"{now.status}: {now.progress:.0%}"))
    finally:
        console.end_line()
    if not ended.results:
        console.fail(ended.error or "It has no result.")
        return SOME_FAILED
    client.download(operations.only_result(ended), out)
    console.result(str(out))
    return DONE


def _balance(client: Client, options: argparse.Namespace, console: Console) -> int:
    credits = client.credits()
    console.result(f"{credits.team}: {counted(credits.balance, 'credit')}")
    if credits.storage_quota:
        console.say(f"Files: {credits.storage_bytes / 1e6:,.1f} of {credits.storage_quota / 1e6:,.0f} MB.")
    return DONE


def _generation_line(row: Generation) -> str:
    told = row.error or (f"{row.progress:.0%}" if not row.is_over else "")
    return "  ".join(filter(None, (str(row.generation_id), row.status, row.sku, row.name, told)))


def _batch_line(row: Batch) -> str:
    return f"{row.batch_id}  {row.status}  {row.name}  {row.done:,} of {row.total:,} done, {row.failed:,} failed"


def _source(text: str) -> Path | str | int:
    if text.startswith(("http://", "https://")):
        return text
    if text.startswith("result:") and text.removeprefix("result:").isdecimal():
        return int(text.removeprefix("result:"))
    if not Path(text).is_file():
        raise UpscalerError(f"There is no file “{text}”. Give a file, an address, or result:NUMBER.")
    return Path(text)


def _beside(source: str) -> Path:
    if not Path(source).is_file():
        raise UpscalerError("Say with --out where the result of an address or an earlier result goes.")
    return Path(source).with_name(f"{Path(source).stem}-large{Path(source).suffix}")


def _order_options(options: argparse.Namespace, *, name: str) -> Options:
    given: dict[str, Any] = {
        "model": options.model,
        "settings": dict(options.set),
        "result_format": options.format,
        "channels": options.channel,
        "name": name,
    }
    return cast(Options, {key: value for key, value in given.items() if value})


def _setting(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise argparse.ArgumentTypeError(f"“{text}” is no setting. Write it like upscale_factor=2x.")
    return key.strip(), value.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="upscaler",
        description="Enlarge product pictures with an Upscaler desk.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", default=os.environ.get("UPSCALER_URL", ""), help="in place of UPSCALER_URL")
    parser.add_argument("--token", default=os.environ.get("UPSCALER_TOKEN", ""), help="in place of UPSCALER_TOKEN")
    parser.add_argument("--quiet", action="store_true", help="say nothing but results and errors")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("push", help="enlarge all pictures of a folder, and get them as a ZIP")
    one.add_argument("folder", type=Path)
    one.add_argument("--sku", default="", help=skus.HELP)
    one.add_argument("--out", type=Path, required=True, metavar="ZIP", help="where the results go")
    one.add_argument("--skip-refused", action="store_true", help="leave out files that the desk does not take")
    _add_order_options(one)
    one.set_defaults(command=_push)

    one = commands.add_parser("order", help="enlarge one picture")
    one.add_argument("source", help="a file, an address, or result:NUMBER")
    one.add_argument("--sku", default="", help="the shop's name of the product")
    one.add_argument("--out", type=Path, help="where the result goes; else beside the file, as NAME-large")
    _add_order_options(one)
    one.set_defaults(command=_order)

    one = commands.add_parser("status", help="how upscales and batches stand")
    one.add_argument("number", type=int, nargs="?", help="a generation, or with --batch a batch; else the last ones")
    one.add_argument("--batch", action="store_true")
    one.add_argument("--last", type=int, default=10, metavar="N", help="how many are listed")
    one.add_argument("--out", type=Path, metavar="FILE", help="get the result, or the ZIP of a batch")
    one.set_defaults(command=_status)

    commands.add_parser("balance", help="how many credits are left").set_defaults(command=_balance)
    return parser


def _add_order_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="recraft", help="recraft (the default), topaz, or what else the desk offers")
    parser.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the model, such as upscale_factor=2x; may be given several times",
    )
    parser.add_argument("--format", choices=("JPEG", "PNG", "WEBP"), help="of the results; else each keeps its own")
    parser.add_argument(
        "--channel",
        action="append",
        default=[],
        metavar="ID",
        help="a shop that they go to, such as zalando; may be given several times",
    )
    parser.add_argument("--name", default="", help="what the picture, or the batch, is called")
    parser.add_argument("--yes", action="store_true", help="order without being asked about the cost")
