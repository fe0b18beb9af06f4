"""The house is what CONTRIBUTING says: who may import whom, and where each library lives."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = [
    ["types", "errors", "migrations"],
    ["ports", "settings", "log", "limits", "text", "dates", "http_post", "tokens"],
    ["markup", "telegram_html", "links", "relevance", "wishes", "visitors", "qr"],
    ["article", "identity", "pacing", "publisher"],
    ["store", "render", "db", "feeds", "shorten", "transport"],
    [
        "alerts",
        "ingest",
        "hubs",
        "enriching",
        "revisiting",
        "broadcasts",
        "editing",
        "digests",
        "outbox",
        "probing",
        "clicks",
        "relating",
    ],
    ["chat", "web", "preview", "moving", "sandbox"],
    ["app"],
    ["check", "demo"],
    ["__main__"],
]
SAME_LAYER = {("telegram_html", "markup"), ("links", "telegram_html")}
HOMES = {
    "telegram": {"transport", "chat", "app", "check"},
    "aiohttp": {"feeds", "web", "app", "sandbox", "transport", "check", "demo"},
    "aiohappyeyeballs": {"http_post"},
    "jinja2": {"render"},
    "sqlite3": {"db"},
    "sqlite_utils": {"db"},
    "psycopg": {"db"},
    "psycopg_pool": {"db"},
    "pyshorteners": {"shorten"},
    "requests": {"shorten"},
    "segno": {"qr"},
}
ADAPTERS = {"db", "feeds", "shorten", "publisher", "transport", "http_post", "settings", "log"}
WIRING = {"app", "check", "demo", "__main__"}
ABOVE_ADAPTERS = {("transport", "publisher"), ("chat", "transport")}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "bot").parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "bot":
            found |= {f"bot.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


MODULES = [path for path in sorted((ROOT / "bot").rglob("*.py")) if path.parent.name != "bot"] + [
    path for path in sorted((ROOT / "bot").glob("*.py")) if path.name != "__init__.py"
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward_and_libraries_stay_at_home(path: Path) -> None:
    room = room_of(path)
    level = {name: depth for depth, names in enumerate(LAYERS) for name in names}
    for name in imports_of(path):
        top, _, rest = name.partition(".")
        if top in HOMES:
            assert room in HOMES[top], f"{top} does not live in {room}"
        if top != "bot" or not rest:
            continue
        other = rest.partition(".")[0]
        if other == room or (room, other) in SAME_LAYER:
            continue
        assert level[other] < level[room], f"{room} imports {other}"
        if other in ADAPTERS and room not in WIRING:
            assert (room, other) in ABOVE_ADAPTERS, f"{room} imports the adapter {other}"


def test_every_room_has_its_layer() -> None:
    rooms = {room_of(path) for path in MODULES}
    assert rooms - {"__init__"} == {name for names in LAYERS for name in names}


def test_nothing_happens_at_import() -> None:
    for path in MODULES:
        for node in ast.parse(path.read_text("utf-8")).body:
            is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            assert not is_call, f"{path.name}:{node.lineno} does something at import"
