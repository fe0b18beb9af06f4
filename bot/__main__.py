"""Commands: `sebar …` or `python -m bot …`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bot import app, check, demo, log, moving, preview
from bot.db import open_database
from bot.errors import SebarError, SettingsError
from bot.settings import load_environ, try_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from bot.settings import Settings

EXIT_FAULT, EXIT_SETTINGS, EXIT_INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code: 1 for a fault, 2 for wrong settings or usage."""
    options = _parser().parse_args(arguments)
    _speak_utf8()
    environ, faults = load_environ(os.environ, Path.cwd())
    settings, more = try_settings(environ, needs_token=options.needs_token)
    options.faults = faults + more
    if options.faults and options.command != "check":
        print(f"Settings:\n{_listed(options.faults)}", file=sys.stderr)
        return EXIT_SETTINGS
    log.set_up_logging(settings.log, settings.secrets())
    try:
        run: Run = options.run
        return asyncio.run(run(settings, options))
    except SettingsError as error:
        print(f"Settings:\n{_listed(error.faults)}", file=sys.stderr)
        return EXIT_SETTINGS
    except SebarError as error:
        print(log.mask(f"sebar: {error}", settings.secrets()), file=sys.stderr)
        return EXIT_FAULT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone: say nothing more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAULT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sebar", description="A newsroom's share bot.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, run: Run, meaning: str, *, needs_token: bool = False
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=meaning, description=meaning)
        command.set_defaults(run=run, needs_token=needs_token)
        return command

    add("run", _serve(app.Role.ALL), "every role in one process", needs_token=True)
    add("web", _serve(app.Role.WEB), "the web role: webhook, health, links", needs_token=True)
    add("worker", _serve(app.Role.WORKER), "the worker role: feeds, deliveries", needs_token=True)
    add("migrate", _migrate, "bring the database to this version; safe to repeat")
    add("check", _check, "try settings, templates, token, feeds and database; say every fault")
    shown = add("preview", _preview, "print every share message of each story of a source")
    shown.add_argument("source", metavar="SOURCE", help="a feed or article address, a file, or -")
    shown.add_argument("--limit", type=_count, metavar="N", help="at most N stories")
    shown.add_argument("--json", action="store_true", help="one JSON object a line")
    add("export", _export, "print the audience (chats, subscriptions, settings) as JSON Lines")
    add("import", _import, "take an audience over from JSON Lines on standard input")
    tried = add("demo", _demo, "try everything with a sample newsroom, no account, no token")
    tried.add_argument("--port", type=_port, default=8080, help="where the page is served")
    tried.add_argument("--feed", help="a real feed instead of the sample newsroom's")
    return parser


def _serve(role: app.Role) -> Run:
    async def serve(settings: Settings, _: argparse.Namespace) -> int:
        await app.serve(settings, role, _stop_on_signals())
        return 0

    return serve


async def _migrate(settings: Settings, _: argparse.Namespace) -> int:
    database = await open_database(settings.database_url)
    await database.close()
    print("The database is at this version.")
    return 0


async def _check(settings: Settings, options: argparse.Namespace) -> int:
    for name, value in settings.shown():
        print(f"{name:<24}{value}")
    report = await check.examine(settings, options.faults)
    faults = [*options.faults, *report.faults]
    if report.found:
        print(log.mask(f"\nFeeds:\n{_listed(report.found)}", settings.secrets()))
    if faults:
        print(log.mask(f"\nFaults:\n{_listed(faults)}", settings.secrets()))
        return EXIT_FAULT
    print("\nAll is well.")
    return 0


async def _preview(settings: Settings, options: argparse.Namespace) -> int:
    form = preview.sheet_json if options.json else preview.sheet_text
    stories = await app.read_stories(settings, options.source)
    renderer = app.make_renderer(settings)
    for fault in renderer.faults:
        print(f"template {fault}", file=sys.stderr)
    for entry, story in stories[: options.limit]:
        print(form(renderer.share_sheet(story), entry))
    return 0


async def _export(settings: Settings, _: argparse.Namespace) -> int:
    async with app.opened_store(settings) as store:
        async for line in moving.export_lines(store):
            print(line)
    return 0


async def _import(settings: Settings, _: argparse.Namespace) -> int:
    async with app.opened_store(settings) as store:
        number = await moving.import_lines(store, sys.stdin, app.clock())
    print(f"{number} chats taken over.", file=sys.stderr)
    return 0


async def _demo(settings: Settings, options: argparse.Namespace) -> int:
    await demo.run_demo(settings, _stop_on_signals(), port=options.port, feed=options.feed)
    return 0


def _speak_utf8() -> None:
    """Let every text be printed, whatever the terminal's own encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _stop_on_signals() -> asyncio.Event:
    """Give an event that SIGTERM and SIGINT set."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopping.set)
    return stopping


def _listed(faults: Sequence[str]) -> str:
    return "\n".join(f"- {fault}" for fault in faults)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


if TYPE_CHECKING:
    Run = Callable[[Settings, argparse.Namespace], Coroutine[None, None, int]]

if __name__ == "__main__":
    sys.exit(main())
