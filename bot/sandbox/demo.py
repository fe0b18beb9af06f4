"""The demo's small world: a reader, an editor, a newsroom's channel and its readers' group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.sandbox.state import Sandbox

CHANNEL = "kabarbantenraya"


@dataclass(frozen=True, slots=True)
class DemoWorld:
    """Who and what is there; `channel` is the channel's @name."""

    token: str
    bot: str
    reader_id: int
    editor_id: int
    channel: str
    channel_id: int
    group_id: int

    def public(self) -> dict[str, Any]:
        """Give what the page may know: all but the token."""
        return {
            "bot": self.bot,
            "reader": self.reader_id,
            "editor": self.editor_id,
            "channel": self.channel_id,
            "group": self.group_id,
        }


def demo_world(sandbox: Sandbox) -> DemoWorld:
    """Fill an empty sandbox; the bot hears only of what happens afterwards."""
    editor = sandbox.add_user(
        "Ratna", last_name="Redaksi", username="ratna_redaksi", user_id=5_000_002
    )
    reader = sandbox.add_user(
        "Budi", last_name="Pembaca", username="budi_pembaca", user_id=5_000_001
    )
    channel = sandbox.add_channel(
        "Kabar Banten Raya", editor.id, username=CHANNEL, members=[reader.id]
    )
    group = sandbox.add_supergroup("Warga Tangerang", editor.id, members=[reader.id])
    for chat in (channel, group):
        sandbox.add_bot(chat.id, editor.id)
    return DemoWorld(
        token=sandbox.token,
        bot=sandbox.bot.username,
        reader_id=reader.id,
        editor_id=editor.id,
        channel=f"@{CHANNEL}",
        channel_id=channel.id,
        group_id=group.id,
    )
