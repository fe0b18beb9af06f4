"""Settings: every fault at once, in words that say the cure, and no secret shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.errors import SettingsError
from bot.settings import Settings, load_environ, read_settings
from bot.types import ChannelSetting

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "123456:AAE-secret-token"


def faults(environ: dict[str, str], *, needs_token: bool = False) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        read_settings(environ, needs_token=needs_token)
    return raised.value.faults


def test_nothing_set_gives_the_defaults() -> None:
    assert read_settings({}) == Settings()


def test_empty_values_count_as_not_set() -> None:
    assert read_settings({"PORT": "", "SEBAR_FEEDS": "  ", "SEBAR_RATE": ""}) == Settings()


def test_every_fault_is_named_at_once() -> None:
    found = faults(
        {
            "SEBAR_TELEGRAM_TOKEN": "nonsense",
            "SEBAR_FEEDS": "kabar.example/feed",
            "SEBAR_CHANNELS": "@kabar?loud=1",
            "SEBAR_EDITORS": "12 budi",
            "SEBAR_APPROVAL": "maybe",
            "SEBAR_HOLD": "-1",
            "SEBAR_PUBLIC_URL": "kabar.example",
            "PORT": "99999",
            "DATABASE_URL": "mysql://localhost/x",
            "SEBAR_POLL_INTERVAL": "nan",
            "SEBAR_RATE": "0",
            "SEBAR_LOCALE": "fr",
            "SEBAR_TIMEZONE": "Asia/Nowhere",
            "SEBAR_SHORTENER": "goo",
            "SEBAR_COPY": "both",
            "SEBAR_UTM": "perhaps",
            "SEBAR_LOG": "xml",
            "SEBAR_TEMPLATES": "/no/such/folder",
        }
    )
    assert len(found) == 18
    assert all(fault.split(":")[0].isupper() for fault in found)


def test_a_missing_token_is_a_fault_only_where_it_is_needed() -> None:
    assert "@BotFather" in faults({}, needs_token=True)[0]
    assert len(faults({"SEBAR_TELEGRAM_TOKEN": "x"}, needs_token=True)) == 1


def test_channels_carry_thread_tags_and_silence() -> None:
    settings = read_settings(
        {"SEBAR_CHANNELS": "@kabar -100123/7?tag=Politik&tag=Kota%20Serang&silent=1\n-5"}
    )
    assert settings.channels == (
        ChannelSetting("@kabar"),
        ChannelSetting(-100123, 7, ("Politik", "Kota Serang"), silent=True),
        ChannelSetting(-5),
    )


def test_the_public_address_opens_the_web_role_to_the_world() -> None:
    assert read_settings({}).bind == "127.0.0.1"
    assert read_settings({"SEBAR_PUBLIC_URL": "https://bot.example/"}).bind == "0.0.0.0"
    bound = read_settings({"SEBAR_PUBLIC_URL": "https://bot.example", "SEBAR_BIND": "::1"})
    assert (bound.bind, bound.public_url) == ("::1", "https://bot.example")


def test_own_short_links_need_the_public_address() -> None:
    assert "SEBAR_PUBLIC_URL" in faults({"SEBAR_SHORTENER": "own"})[0]


def test_the_copy_button_takes_a_short_link_only_where_there_are_some() -> None:
    assert faults({"SEBAR_COPY": "short"}) == ["SEBAR_COPY: short links need SEBAR_SHORTENER"]
    own = {"SEBAR_SHORTENER": "own", "SEBAR_PUBLIC_URL": "https://bot.example"}
    assert read_settings({"SEBAR_COPY": "short", **own}).copy == "short"


def test_heroku_writes_postgres() -> None:
    settings = read_settings({"DATABASE_URL": "postgres://u:p@db/x?sslmode=require"})
    assert settings.database_url == "postgresql://u:p@db/x?sslmode=require"


def test_no_secret_is_shown() -> None:
    settings = read_settings(
        {
            "SEBAR_TELEGRAM_TOKEN": TOKEN,
            "SEBAR_SHORTENER_KEY": "key-secret",
            "DATABASE_URL": "postgresql://u:db-secret@db/x",
            "SEBAR_FEEDS": "https://me:feed-secret@kabar.example/feed/",
        }
    )
    text = repr(settings) + str(settings) + str(settings.shown())
    assert "secret" not in text
    assert set(settings.secrets()) == {TOKEN, "key-secret", "db-secret", "feed-secret"}
    assert "secret" not in str(faults({"SEBAR_FEEDS": "ftp://me:feed-secret@kabar.example/"}))


def test_an_env_file_is_joined_below_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        '# comment\n\nexport PORT=9000\nSEBAR_LOCALE="en"  # why\nSEBAR_FEEDS= https://a/#b #c\n'
    )
    joined, found = load_environ({"PORT": "9001"}, tmp_path)
    assert found == []
    assert joined == {"PORT": "9001", "SEBAR_LOCALE": "en", "SEBAR_FEEDS": "https://a/#b"}


def test_a_faulty_env_line_is_named_and_the_others_count(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\nnonsense\nSEBAR_LOCALE=en\n")
    joined, found = load_environ({}, tmp_path)
    assert joined == {"PORT": "1", "SEBAR_LOCALE": "en"}
    assert found == [".env, line 2: write NAME=value"]


def test_an_env_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfeX")
    assert load_environ({"PORT": "1"}, tmp_path)[0] == {"PORT": "1"}
    assert "UTF-8" in load_environ({}, tmp_path)[1][0]


def test_every_faulty_chat_is_named() -> None:
    (found,) = faults({"SEBAR_CHANNELS": "foo @kabar @a/b/c 0 @kabar/0 @kabar?tag="})
    for word in ("'foo'", "'@a/b/c'", "'0'", "'@kabar/0'", "'@kabar?tag='"):
        assert word in found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEBAR_BIND", "nowhere!"),
        ("DATABASE_URL", "postgres://u:p[w@h/d"),
        ("SEBAR_SHORTENER", "bitly"),
    ],
)
def test_what_would_fail_later_is_said_at_the_start(name: str, value: str) -> None:
    assert len(faults({name: value})) == 1
    assert "p[w" not in str(faults({name: value}))


@pytest.mark.parametrize(
    "value", ["9" * 5000, "@" + "a" * 40, "@kabar/x", "@kabar?silent=maybe", "-", "@a b"]
)
def test_hostile_chats_are_faults_not_crashes(value: str) -> None:
    assert faults({"SEBAR_CHANNELS": value})
