"""A PostgreSQL server for tests: the one of TEST_POSTGRES_URL, or one started from the machine's.

Without either, tests that want it are skipped by name with the line that installs it, or fail
where SEBAR_TEST_REQUIRE is "all".
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALL = "apt-get install -y postgresql"


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a server whose database may be emptied."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given
        return
    programs = _find_programs()
    if programs is None:
        reason = f"no PostgreSQL on this machine: {INSTALL}"
        if os.environ.get("SEBAR_TEST_REQUIRE") == "all":
            pytest.fail(reason)
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="sebar-postgres-", ignore_cleanup_errors=True) as top:
        yield from _started(programs, Path(top))


def own_database(url: str, name: str) -> str:
    """The URL of a new database on a server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _find_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    paths = [Path(on_path)] if on_path else []
    return (paths + found)[-1].resolve().parent if paths + found else None


def _started(programs: Path, top: Path) -> Iterator[str]:
    data, port = top / "data", _free_port()
    as_user = _other_user() if os.geteuid() == 0 else None
    if as_user:
        shutil.chown(top, as_user)
    setup = ["--auth=trust", "--username=sebar", "--encoding=UTF8", "--locale=C.UTF-8"]
    _run([programs / "initdb", "-D", data, *setup, "--no-sync"], as_user)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={top} -F"
    server = [programs / "pg_ctl", "-D", data, "-w", "-l", top / "log"]
    _run([*server, "-o", options, "start"], as_user)
    try:
        yield f"postgresql://sebar@127.0.0.1:{port}/postgres"
    finally:
        _run([*server, "-m", "immediate", "stop"], as_user)


def _other_user() -> str:
    """The server's programs refuse to run as root."""
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(command: list[Path | str], user: str | None) -> None:
    subprocess.run(
        [str(word) for word in command],
        check=True,
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
