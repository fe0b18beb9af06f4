"""One conversation of everybody, on either database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatting import buttons_of, callbacks_of, links_of, many, text_of, turns_of, world_over
from factories import entry

if TYPE_CHECKING:
    from bot.store import Store

EDITOR, READER, ADMIN = 5_000_001, 5_000_002, 5_000_003
GROUP, CHANNEL = -1001, -1002


async def test_a_day_in_the_newsroom(store: Store) -> None:
    async with world_over(store, editors=(EDITOR,)) as chat:
        box = chat.sandbox
        box.add_user("Ratna", user_id=EDITOR, language_code="id")
        box.add_user("Jane", user_id=READER, language_code="en")
        box.add_user("Ana", user_id=ADMIN, language_code="id")
        box.add_supergroup("Warga", ADMIN, chat_id=GROUP, members=[READER], forum=True)
        box.add_channel("Kabar", ADMIN, chat_id=CHANNEL, username="kabar", members=[READER])
        for chat_id in (GROUP, CHANNEL):
            box.add_bot(chat_id, ADMIN)
        topic = box.add_topic(GROUP, "Banjir")
        await chat.publish(
            entry(1, title="Banjir Rendam Ciledug Tangerang", tags=("Banjir",)),
            entry(2, title="Banjir di Ciledug Tangerang Surut", tags=("Banjir",)),
            *many(9)[2:],
        )
        (greeting,) = await chat.say(READER, READER, "/start")
        await chat.press(READER, greeting, "subscribe:")
        await chat.say(ADMIN, GROUP, "/langganan banjir", thread_id=topic)
        await chat.say(ADMIN, ADMIN, "/langganan @kabar politik")
        (found,) = await chat.say(READER, READER, "/search banjir ciledug")
        assert len(links_of(found)) == 2
        (latest,) = await chat.say(READER, READER, "/latest")
        await chat.press(READER, latest, turns_of(latest)[0])
        assert len(links_of(latest)) == 4
        (offer,) = await chat.say(EDITOR, EDITOR, "/siarkan https://kabar.example/berita-1/")
        assert "Kirim (2)" in [button["text"] for button in buttons_of(offer)]
        shown = text_of(offer)
        await chat.press(EDITOR, offer, callbacks_of(offer)[-2])
        await chat.deliver()
        assert text_of(box.sent(READER)[-1]) == shown
        assert (text_of(box.sent(GROUP)[-1]), box.sent(GROUP)[-1].thread_id) == (
            shown,
            topic,
        )
        assert shown not in [text_of(post) for post in box.sent(CHANNEL)]
        (related,) = await chat.say(READER, GROUP, "/terkait", reply_to=box.sent(GROUP)[-1].id)
        assert "Surut" in text_of(related)
        assert [call for call in chat.failures() if call.method != "getUpdates"] == []
