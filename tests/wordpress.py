"""A real WordPress on loopback: the `wordpress` fixture, one for the whole test run.

It needs Debian's PHP and the WordPress that an npm package carries, both installed beforehand:
a test that wants them is skipped by name with the line that installs what is missing, or fails
where SEBAR_TEST_REQUIRE is "all". The database is SQLite, in the run's temporary folder.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import zipfile
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "@wp-playground/wordpress-builds"
VERSION = "0.9.19"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sebar" / "wordpress"
SOURCE = CACHE / "node_modules" / PACKAGE / "src"
PHP_MODULES = {"dom": "php-xml", "mbstring": "php-mbstring", "pdo_sqlite": "php-sqlite3"}
START_S = 30.0

CONFIG = """<?php
const DB_NAME = 'sebar', DB_USER = '', DB_PASSWORD = '', DB_HOST = '';
const DB_CHARSET = 'utf8mb4', DB_COLLATE = '';
const WP_HOME = '%(url)s', WP_SITEURL = WP_HOME;
const WP_ENVIRONMENT_TYPE = 'local';
const WP_HTTP_BLOCK_EXTERNAL = true, WP_ACCESSIBLE_HOSTS = '127.0.0.1';
const DISABLE_WP_CRON = true, AUTOMATIC_UPDATER_DISABLED = true;
const ABSPATH = __DIR__ . '/';
$table_prefix = 'wp_';
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $purpose) {
    define("{$purpose}_KEY", md5($purpose));
    define("{$purpose}_SALT", sha1($purpose));
}
require ABSPATH . 'wp-settings.php';
"""

# Every address that is no file goes to index.php, which has to believe that it was asked itself.
ROUTER = """<?php
$asked = rawurldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?? '/');
if (is_file(__DIR__ . '/site' . $asked)) {
    return false;
}
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = '/index.php';
$_SERVER['SCRIPT_FILENAME'] = __DIR__ . '/site/index.php';
chdir(__DIR__ . '/site');
require 'index.php';
"""

INSTALL = """<?php
define('WP_INSTALLING', true);
$_SERVER += ['HTTP_HOST' => '127.0.0.1', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_URI' => '/'];
function wp_new_blog_notification() {}
require __DIR__ . '/site/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
$admin = wp_install('Kabar Uji', 'admin', 'admin@example.org', true, '', 'rahasia')['user_id'];
update_option('timezone_string', 'Asia/Jakarta');
$wp_rewrite->set_permalink_structure('/%year%/%monthnum%/%day%/%postname%/');
$wp_rewrite->flush_rules(false);
echo WP_Application_Passwords::create_new_application_password($admin, ['name' => 'tests'])[0];
"""


@dataclass(frozen=True)
class Post:
    """A post as the REST API states it; `title` is what its editor typed."""

    id: int
    title: str
    url: str
    guid: str
    status: str


@dataclass(frozen=True)
class Answer:
    """What the server answered; the names of `headers` are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class WordPressError(Exception):
    """WordPress could not be started or refused an order."""


@dataclass
class Outage:
    """What a proxy answers while its site restarts, and how often it was asked."""

    status: int
    asked: int = 0

    def handler(self) -> type[BaseHTTPRequestHandler]:
        outage = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outage.asked += 1
                self.send_error(outage.status)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


class WordPress:
    """A WordPress, running after `start`; `url` has no slash at its end."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.feed_url = f"{self.url}/feed/"
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        token = b64encode(f"admin:{password}".encode()).decode()
        self._authorization = f"Basic {token}"

    def start(self) -> None:
        """Serve the site."""
        self._process = _serve(self._folder, self._port)

    def stop(self) -> None:
        """End the server; what was published stays."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            # Its workers end a moment later.
            while _is_served(self._port):
                time.sleep(0.02)

    @contextmanager
    def restarting(self, status: int = 502) -> Iterator[Outage]:
        """Restart the site; meanwhile a proxy answers everything with `status`."""
        self.stop()
        outage = Outage(status)
        proxy = ThreadingHTTPServer(("127.0.0.1", self._port), outage.handler())
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield outage
        finally:
            proxy.shutdown()
            proxy.server_close()
            self.start()

    def publish(self, title: str, content: str = "", **fields: Any) -> Post:
        """Publish a post; `fields` are further ones of the REST API (`date_gmt`, `status`, …)."""
        return self._order(
            "POST", "", {"status": "publish", "title": title, "content": content, **fields}
        )

    def edit(self, post: Post, **fields: Any) -> Post:
        """Change fields of a post."""
        return self._order("POST", f"/{post.id}", fields)

    def trash(self, post: Post) -> Post:
        """Move a post to the trash, as an editor withdraws it."""
        return self._order("DELETE", f"/{post.id}", {})

    def restore(self, post: Post) -> Post:
        """Publish a post that was in the trash."""
        return self.edit(post, status="publish")

    def delete(self, post: Post) -> None:
        """Delete a post for good."""
        answer = self._send(
            "DELETE", f"/wp-json/wp/v2/posts/{post.id}?force=true", None, self._named()
        )
        if answer.status != 200:
            raise WordPressError(f"delete: {answer.status} {answer.text[:500]}")

    def upload(self, name: str, body: bytes) -> tuple[int, str]:
        """Add a picture to the library; gives its number and its address."""
        headers = {**self._named(), "Content-Type": "image/png"}
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
        answer = self._send("POST", "/wp-json/wp/v2/media", body, headers)
        if answer.status != 201:
            raise WordPressError(f"upload: {answer.status} {answer.text[:500]}")
        stated = json.loads(answer.body)
        return stated["id"], stated["source_url"]

    def add_term(self, kind: str, name: str) -> int:
        """Add a category or a tag (`kind` is "categories" or "tags"); gives its number."""
        headers = {**self._named(), "Content-Type": "application/json"}
        body = json.dumps({"name": name}).encode()
        answer = self._send("POST", f"/wp-json/wp/v2/{kind}", body, headers)
        if answer.status != 201:
            raise WordPressError(f"{kind}: {answer.status} {answer.text[:500]}")
        number: int = json.loads(answer.body)["id"]
        return number

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page or a feed; an underscore in a header's name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._send("GET", path, None, named)

    def _order(self, method: str, path: str, fields: dict[str, Any]) -> Post:
        answer = self._send(
            method,
            f"/wp-json/wp/v2/posts{path}?context=edit",
            json.dumps(fields).encode(),
            {**self._named(), "Content-Type": "application/json"},
        )
        if answer.status not in {200, 201}:
            raise WordPressError(f"{method} {path}: {answer.status} {answer.text[:500]}")
        stated = json.loads(answer.body)
        return Post(
            id=stated["id"],
            title=stated["title"]["raw"],
            url=stated["link"],
            guid=stated["guid"]["raw"],
            status=stated["status"],
        )

    def _named(self) -> dict[str, str]:
        return {"Authorization": self._authorization}

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()


@pytest.fixture(scope="session")
def wordpress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WordPress]:
    """Give the run's WordPress: freshly installed, with its "Hello world!" post."""
    if missing := _missing():
        reason = "WordPress is not to be had; get it with: " + " && ".join(missing)
        if os.environ.get("SEBAR_TEST_REQUIRE") == "all":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("wordpress")
    port = _free_port()
    _unpack(folder / "site")
    (folder / "site" / "wp-config.php").write_text(CONFIG % {"url": f"http://127.0.0.1:{port}"})
    (folder / "router.php").write_text(ROUTER)
    (folder / "install.php").write_text(INSTALL)
    server = WordPress(folder, port, _php(folder / "install.php"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _missing() -> list[str]:
    """List the commands that install what this machine lacks."""
    lines = []
    if not shutil.which("php"):
        lines.append(f"apt-get install -y php-cli {' '.join(sorted(PHP_MODULES.values()))}")
    else:
        said = subprocess.run(["php", "-m"], check=True, capture_output=True, text=True).stdout
        present = set(said.lower().split())
        packages = [package for name, package in PHP_MODULES.items() if name not in present]
        lines += [f"apt-get install -y {' '.join(packages)}"] if packages else []
    if not (SOURCE / "wordpress" / "wp-6.5.zip").is_file():
        lines += [] if shutil.which("npm") else ["apt-get install -y npm"]
        lines.append(f"npm install --ignore-scripts --prefix {CACHE} {PACKAGE}@{VERSION}")
    return lines


def _unpack(site: Path) -> None:
    """Lay out WordPress and the plugin that lets it keep its tables in SQLite."""
    plugin = site / "wp-content" / "plugins" / "sqlite-database-integration"
    with zipfile.ZipFile(SOURCE / "wordpress" / "wp-6.5.zip") as archive:
        archive.extractall(site)
    shutil.rmtree(site / "wp-content" / "database")
    name = "sqlite-database-integration"
    with zipfile.ZipFile(SOURCE / name / f"{name}.zip") as archive:
        archive.extractall(site.parent / "plugin")
    next((site.parent / "plugin").iterdir()).rename(plugin)
    shutil.copyfile(plugin / "db.copy", site / "wp-content" / "db.php")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _php(script: Path) -> str:
    done = subprocess.run(
        ["php", str(script)], check=False, capture_output=True, text=True, timeout=60
    )
    if done.returncode or not done.stdout.strip().isalnum():
        raise WordPressError(f"{script.name}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout.strip()


def _serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start PHP's own server, in a process group that ends as one, and wait until it listens."""
    command = ["php", "-d", "opcache.enable_cli=1", "-d", "sendmail_path=/bin/true"]
    command += ["-S", f"127.0.0.1:{port}", "-t", str(folder / "site"), str(folder / "router.php")]
    with (folder / "php.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**os.environ, "PHP_CLI_SERVER_WORKERS": "4"},
            start_new_session=True,
        )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            _wait_a_moment(process)
        else:
            return process
    os.killpg(process.pid, signal.SIGKILL)
    raise WordPressError(f"php -S did not start: {(folder / 'php.log').read_text()[-1000:]}")


def _is_served(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_a_moment(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return
