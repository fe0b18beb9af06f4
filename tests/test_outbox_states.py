"""The outbox as a state machine: whatever dies or is lost when, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from factories import NOW, fan_out, message, stored_story
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.db import SqliteDatabase, SqliteThread, SqliteTransaction
from bot.errors import OutcomeUnknown, RetryLater
from bot.http_post import ANSWER_TIMEOUT_S
from bot.limits import Budget
from bot.outbox import Outbox
from bot.probing import Prober
from bot.publisher import TelegramPublisher
from bot.sandbox import TOKEN, Sandbox
from bot.sandbox.methods import methods
from bot.sandbox.refusals import Refusal, too_many
from bot.store import NotedMessage, Store
from bot.types import Action, Button, ChatType, DeliveryState

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.ports import Transaction
    from bot.sandbox.records import Post
    from bot.types import Delivery, Message, Row, Verdict

OWNER = 50
PRIVATE = (51, 52, 53)
# How long a request whose sender has given up may still take effect.
LATEST_EFFECT_S = 8.0
KEEP_LEASES_EVERY_S = 3
UNSETTLED = {"pending", "sending", "unknown"}
MOST_ROUNDS = 400
BAD_ROUNDS = 30
MOST_STORIES = 5
NOTE = "Ditarik"
PROFILES = {"": (60, 40), "long": (3000, 60)}
EXAMPLES, STEPS = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "")]


class NoThread(SqliteThread):
    """A connection without a thread of its own."""

    async def call(self, function: Callable[[], Any]) -> Any:
        with self._faults():
            return function()

    async def transact(self, work: Callable[[Transaction], Any]) -> Any:
        assert self._connection is not None
        with self._faults():
            self._connection.execute(self._begin)
            try:
                result = work(SqliteTransaction(self._connection))
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        return result


class InlineDatabase(SqliteDatabase):
    """SQLite without threads: each transaction is one step of the test."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._writer = NoThread(path, "writer", "BEGIN IMMEDIATE")
        self._reader = NoThread(path, "reader", "BEGIN")


@dataclass
class Call:
    """A request that has left; `at` says when, in seconds of the test's clock."""

    method: str
    args: dict[str, Any]
    at: float
    answer: asyncio.Future[tuple[int, dict[str, Any]]] = field(repr=False)

    @property
    def chat(self) -> int:
        chat: int = self.args["chat_id"]
        return chat


class Wire:
    """The network and Telegram behind it: each request waits for the test to decide its fate.

    Stands where the publisher's line does.
    """

    def __init__(self, sandbox: Sandbox, seconds: Callable[[], float]) -> None:
        self._sandbox = sandbox
        self._seconds = seconds
        self._methods = methods()
        self.held: list[Call] = []
        self.late: list[Call] = []

    @property
    def under_way(self) -> list[Call]:
        return self.held + self.late

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        answer: asyncio.Future[tuple[int, dict[str, Any]]] = asyncio.Future()
        call = Call(path.rpartition("/")[2], json.loads(body), self._seconds(), answer)
        others = [one for one in self.under_way if one.chat == call.chat]
        assert not others, f"{call} while {others}"
        self.held.append(call)
        try:
            status, value = await answer
        finally:
            if call in self.held:
                self.held.remove(call)
        return status, json.dumps(value).encode()

    def act(self, call: Call) -> tuple[int, dict[str, Any]]:
        """Carry a request out."""
        method = self._methods[call.method.lower()]
        raw = {k: v if isinstance(v, str) else json.dumps(v) for k, v in call.args.items()}
        try:
            return 200, {
                "ok": True,
                "result": method.act(self._sandbox, method.parameters.read(method.name, raw)),
            }
        except Refusal as refusal:
            return refusal.code, refusal.body()

    def answer(self, call: Call, how: str) -> None:
        """Let a request meet its fate."""
        self.held.remove(call)
        match how:
            case "taken":
                call.answer.set_result(self.act(call))
            case "lost":
                self.act(call)
                call.answer.set_exception(OutcomeUnknown("no answer"))
            case "late":
                self.late.append(call)
                call.at = self._seconds()
                call.answer.set_exception(OutcomeUnknown("no answer"))
            case "swallowed":
                call.answer.set_exception(OutcomeUnknown("no answer"))
            case "unreached":
                call.answer.set_exception(RetryLater("not reached"))
            case "slow down":
                call.answer.set_result((429, too_many(7).body()))
            case "broken":
                call.answer.set_result((500, Refusal(500, "Internal Server Error").body()))

    def land(self, call: Call) -> None:
        """Let a request that its sender has given up take effect."""
        self.late.remove(call)
        self.act(call)


FATES = ("taken", "lost", "late", "swallowed", "taken", "unreached", "slow down", "broken")


class Telling(Prober):
    """A prober that tells of each delivery that it could not settle for certain."""

    def __init__(self, tell: Callable[[], None], *parts: Any) -> None:
        super().__init__(*parts)
        self._tell = tell

    def _unsettled(self, delivery: Delivery, reason: str) -> Verdict:
        self._tell()
        return super()._unsettled(delivery, reason)


@dataclass
class Sent:
    """A story that was broadcast: its text and its destinations."""

    story: int
    broadcast: int
    text: str
    buttons: tuple[tuple[Button, ...], ...]
    destinations: set[tuple[int, int]]
    retracted: bool = False


def template_database() -> Path:
    """An empty database of this version, to be copied."""
    folder = Path(tempfile.mkdtemp())
    file = folder / "empty.db"

    async def make() -> None:
        database = InlineDatabase(str(file))
        await database.open()
        await database.migrate()
        await database.close()

    asyncio.run(make())
    return file


class World:
    """Telegram with one chat of each kind, and the store that knows them."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.sandbox = Sandbox(TOKEN, now=self.seconds)
        self.sandbox.add_user("Ratna", user_id=OWNER)
        self.database = InlineDatabase(str(folder / "test.db"))
        self.store = Store(self.database)
        self.rows: dict[int, int] = {}
        self.ids: dict[int, list[int]] = {}
        self.topic = 0

    def seconds(self) -> float:
        return self.now.timestamp()

    async def open(self) -> None:
        sandbox = self.sandbox
        await self.database.open()
        for user in PRIVATE:
            sandbox.add_user(f"Pembaca {user}", user_id=user)
            sandbox.say(user, user, "/start")
            await self._know(user, ChatType.PRIVATE)
        self.group = sandbox.add_group("Warga", OWNER).id
        self.forum = sandbox.add_supergroup("Forum", OWNER, forum=True).id
        self.busy = sandbox.add_supergroup("Ramai", OWNER).id
        self.channel = sandbox.add_channel("Kabar", OWNER).id
        self.topic = sandbox.add_topic(self.forum, "Berita")
        kinds = {self.group: ChatType.GROUP, self.channel: ChatType.CHANNEL}
        for chat in (self.group, self.forum, self.busy, self.channel):
            sandbox.add_bot(chat, OWNER)
            await self._know(chat, kinds.get(chat, ChatType.SUPERGROUP))

    async def _know(self, chat: int, kind: ChatType) -> None:
        row = await self.store.record_chat(chat, kind, self.now)
        self.rows[chat] = row.id
        self.ids[row.id] = [chat]

    def places(self) -> list[tuple[int, int]]:
        """Where stories may go: a chat and a topic of it."""
        return [(chat, 0) for chat in self.rows] + [(self.forum, self.topic)]

    async def fetch(self, sql: str, **params: Any) -> list[Row]:
        return await self.database.run(lambda tx: tx.fetch(sql, **params))


class OutboxMachine(RuleBasedStateMachine):
    """Readers, editors, the network and the process itself do what they like."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        shutil.copy(self.template, self.folder / "test.db")
        self.world = World(self.folder)
        self.wire = Wire(self.world.sandbox, self.world.seconds)
        self.workers = count(1)
        self.stories: list[Sent] = []
        self.others: list[tuple[int, int, Any]] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.unconfirmed = 0
        self.luck = Random(1)
        self.run(self.world.open())
        self.start()

    def run(self, work: Any) -> Any:
        return self.loop.run(work)

    def start(self) -> None:
        """Start a process."""
        fast = count(0, 3600)
        now, worker = (lambda: self.world.now), f"worker {next(self.workers)}"
        publisher = TelegramPublisher(self.wire, TOKEN)
        store = self.world.store
        self.outbox = Outbox(store, publisher, Budget(1000, self.world.seconds), now, worker)
        probing = Budget(1000, lambda: float(next(fast)))
        self.prober = Telling(
            self.note_unconfirmed, store, publisher, probing, self.outbox.prepared, now, worker
        )
        self.probing: asyncio.Task[Any] | None = None

    def note_unconfirmed(self) -> None:
        self.unconfirmed += 1

    async def calm(self) -> None:
        """Let everything run that waits for nothing but the loop."""
        for _ in range(40):
            await asyncio.sleep(0)
        for task in [task for task in self.tasks if task.done()]:
            self.tasks.remove(task)
            task.result()

    def create_task(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        return task

    # What the process does.

    @initialize(chosen=st.sets(st.integers(0, 7), min_size=3), luck=st.integers(0, 2**32))
    def begin(self, chosen: set[int], luck: int) -> None:
        """Some places have subscribed, and a story goes out."""
        self.luck = Random(luck)
        for which in chosen:
            self.subscribe(which)
        self.publish()

    @rule(seconds=st.sampled_from([0, 0, 1, 4, 9, 13, 40]), probes=st.booleans())
    def work(self, seconds: int, *, probes: bool) -> None:
        """Time passes, then the process looks for what is due."""

        async def work() -> None:
            left = seconds
            while left > 0:
                step = min(left, KEEP_LEASES_EVERY_S)
                self.world.now += timedelta(seconds=step)
                left -= step
                await self.outbox.keep_leases(self.world.now)
                await self.give_up()
            await self.look(probes=probes)

        self.run(work())

    async def look(self, *, probes: bool) -> None:
        await self.outbox.tick(self)  # type: ignore[arg-type]
        if probes and (self.probing is None or self.probing.done()):
            self.probing = self.create_task(self.prober.settle_due(self.world.now))
        await self.calm()

    async def give_up(self) -> None:
        """What time does to requests: the given up land, the unanswered are given up."""
        now = self.world.seconds()
        for call in [one for one in self.wire.late if now - one.at >= LATEST_EFFECT_S]:
            self.wire.land(call)
        for call in [one for one in self.wire.held if now - one.at > ANSWER_TIMEOUT_S]:
            self.wire.answer(call, "lost")
        await self.calm()

    @rule(fates=st.lists(st.sampled_from(["never", "done", "late"]), min_size=8, max_size=8))
    def crash_at_work(self, fates: list[str]) -> None:
        """The process dies right after requests have left."""
        self.run(self.look(probes=True))
        self.crash(fates)

    @rule(fates=st.lists(st.sampled_from(["never", "done", "late"]), min_size=8, max_size=8))
    def crash(self, fates: list[str]) -> None:
        """The process dies while it waits for answers, or between them."""
        self.run(self.die(fates))

    async def die(self, fates: list[str]) -> None:
        """End the process; what it had sent out is not stopped by that."""
        for call, fate in zip(self.wire.held, fates, strict=False):
            if fate == "done":
                self.wire.act(call)
            elif fate == "late":
                call.at = self.world.seconds()
                self.wire.late.append(call)
        self.wire.held.clear()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()
        self.start()

    # What the network does.

    @rule(which=st.integers(0, 20), how=st.sampled_from(FATES))
    def answer(self, which: int, how: str) -> None:
        async def work() -> None:
            held = self.wire.held
            if held:
                self.wire.answer(held[which % len(held)], how)
            await self.calm()

        self.run(work())

    @rule(fates=st.lists(st.sampled_from(FATES), min_size=8, max_size=8), probes=st.booleans())
    def bustle(self, fates: list[str], *, probes: bool) -> None:
        """What is due goes out, and each request meets its fate."""

        async def work() -> None:
            self.world.now += timedelta(seconds=4)
            await self.outbox.keep_leases(self.world.now)
            await self.give_up()
            await self.look(probes=probes)
            for call, how in zip(list(self.wire.held), fates, strict=False):
                self.wire.answer(call, how)
            await self.calm()

        self.run(work())

    @rule(which=st.integers(0, 20))
    def land(self, which: int) -> None:
        if self.wire.late:
            self.wire.land(self.wire.late[which % len(self.wire.late)])

    # What people do.

    @precondition(lambda self: len(self.stories) < MOST_STORIES)
    @rule()
    def publish(self) -> None:
        self.run(self.open_story())

    @rule(which=st.integers(0, 20))
    def subscribe(self, which: int) -> None:
        places = self.world.places()
        chat, topic = places[which % len(places)]
        self.run(self.world.store.subscribe(self.world.rows[chat], topic, [], self.world.now))

    @rule(which=st.integers(0, 20))
    def unsubscribe(self, which: int) -> None:
        places = self.world.places()
        chat, topic = places[which % len(places)]
        self.run(self.world.store.unsubscribe(self.world.rows[chat], topic, [], self.world.now))

    async def open_story(self) -> None:
        number = len(self.stories) + 1
        text = f"Berita {number}."
        buttons = ((Button("Terkait", callback_data=f"related:{number}"),),)
        body = message(text, buttons=buttons, preview_url=None)
        story = await stored_story(self.world.store, number)
        broadcast = await self.world.store.record_draft(story.id, body, 7, self.world.now)
        await self.world.store.schedule_broadcast(broadcast.id, self.world.now)
        await fan_out(self.world.store, broadcast.id, body, self.world.now)
        rows = await self.world.fetch(
            "SELECT chat_id, thread_id FROM deliveries WHERE broadcast_id = :id",
            id=broadcast.id,
        )
        destinations = {(row["chat_id"], row["thread_id"]) for row in rows}
        wanted = await self.world.fetch(
            "SELECT s.chat_id, s.thread_id FROM subscriptions s JOIN chats c"
            " ON c.id = s.chat_id WHERE s.ended_at IS NULL AND c.closed_at IS NULL"
        )
        assert destinations == {(row["chat_id"], row["thread_id"]) for row in wanted}
        self.stories.append(Sent(story.id, broadcast.id, text, buttons, destinations))

    @precondition(lambda self: self.stories)
    @rule(which=st.integers(0, 20), other_buttons=st.booleans())
    def correct(self, which: int, *, other_buttons: bool) -> None:
        async def work() -> None:
            story = self.stories[which % len(self.stories)]
            story.text += " Ralat."
            if other_buttons:
                more = Button("X", callback_data=f"related:{story.text.count('R')}")
                story.buttons = ((*story.buttons[0][:1], more),)
            body = self.message_of(story)
            stale = await self.world.store.find_broadcast(story.broadcast)
            assert stale is not None
            await self.world.store.record_revision(stale, body, self.world.now)

        self.run(work())

    @precondition(lambda self: self.stories)
    @rule(which=st.integers(0, 20))
    def retract(self, which: int) -> None:
        story = self.stories[which % len(self.stories)]
        store = self.world.store
        number = self.run(store.retract_story(story.story, message(NOTE), self.world.now))
        assert (number is None) == story.retracted
        story.retracted = True

    @rule()
    def wait_two_days(self) -> None:
        """Nothing that was sent so far can be deleted any more."""
        if not self.wire.under_way and (self.probing is None or self.probing.done()):
            self.world.now += timedelta(days=2)

    def message_of(self, story: Sent) -> Message:
        return message(story.text, buttons=story.buttons, preview_url=None)

    @rule(which=st.integers(0, 20), number=st.sampled_from([1, 1, 2, 12]))
    def chatter(self, which: int, number: int) -> None:
        """People talk; the bot is told of it, but not in the supergroups, for its privacy mode."""

        async def work() -> None:
            sandbox = self.world.sandbox
            chat = list(self.world.rows)[which % len(self.world.rows)]
            speaker = chat if chat > 0 else OWNER
            if sandbox.chats[chat].upgraded_to or (chat > 0 and sandbox.users[chat].blocked):
                return
            if chat == self.world.channel and self.is_probed(chat):
                return
            posts = [sandbox.say(speaker, chat, "halo") for _ in range(number)]
            if chat not in (self.world.forum, self.world.busy):
                await self.note(chat, [post.id for post in posts])

        self.run(work())

    async def note(self, chat: int, ids: list[int]) -> None:
        kind = ChatType(self.world.sandbox.chats[chat].type)
        noted = [NotedMessage(chat, kind, message_id) for message_id in ids]
        await self.world.store.note_messages(noted, self.world.now)

    @rule(which=st.integers(0, 20))
    def reply(self, which: int) -> None:
        """The bot answers a reader, but not while a message is looked for in the chat."""

        async def work() -> None:
            chat = list(self.world.rows)[which % len(self.world.rows)]
            markup = {"inline_keyboard": [[{"text": "Lagi", "callback_data": "latest:5"}]]}
            args = {"chat_id": chat, "text": "Terbaru", "reply_markup": markup}
            if self.is_probed(chat):
                return
            call = Call("sendMessage", args, 0.0, asyncio.Future())
            status, body = self.wire.act(call)
            if status != 200:
                return
            message_id = body["result"]["message_id"]
            self.others.append((chat, message_id, self.content(chat, message_id)))
            await self.note(chat, [message_id])

        self.run(work())

    def is_probed(self, chat: int) -> bool:
        """Whether a probe is under way in a chat: it may meet a message that comes meanwhile."""
        return any(one.chat == chat and "Markup" in one.method for one in self.wire.under_way)

    def content(self, chat: int, message_id: int) -> Any:
        return self.world.sandbox.chats[chat].posts[message_id].content

    @rule(which=st.integers(0, 2), told=st.booleans())
    def block(self, which: int, *, told: bool) -> None:
        user = PRIVATE[which]
        self.world.sandbox.block(user)
        if told:
            row = self.world.rows[user]
            self.run(self.world.store.close_chat(row, "kicked", self.world.now))

    @rule(which=st.integers(0, 2))
    def unblock(self, which: int) -> None:
        user = PRIVATE[which]
        self.world.sandbox.unblock(user)
        self.run(self.world.store.open_chat(self.world.rows[user]))

    @rule(closed=st.booleans())
    def close_topic(self, *, closed: bool) -> None:
        self.world.sandbox.close_topic(self.world.forum, self.world.topic, closed=closed)

    @precondition(lambda self: not self.world.sandbox.chats[self.world.group].upgraded_to)
    @rule(told=st.booleans())
    def upgrade(self, *, told: bool) -> None:
        """The group becomes a supergroup; its old messages are beyond reach from then on."""

        async def work() -> None:
            world = self.world
            new = world.sandbox.upgrade(world.group)
            row = world.rows[world.group]
            open_rows = await world.fetch(
                "SELECT id FROM deliveries WHERE chat_id = :id AND action = 'send'"
                " AND state IN ('sending', 'unknown')",
                id=row,
            )
            self.unconfirmed += len(open_rows)
            world.ids[row].append(new.id)
            if told:
                await world.store.move_chat(row, new.id)
                world.rows = {new.id if k == world.group else k: v for k, v in world.rows.items()}

        self.run(work())

    # What must hold.

    @invariant()
    def nothing_else_is_changed(self) -> None:
        for chat, message_id, content in self.others:
            assert self.content(chat, message_id) == content
        for chat in self.world.sandbox.chats.values():
            for post in chat.posts.values():
                said = post.versions[0][1] if post.versions else post.content
                assert post.outgoing or post.content == said

    def teardown(self) -> None:
        try:
            self.run(self.finish())
            self.judge()
        finally:
            self.crash([])
            self.run(self.world.database.close())
            self.loop.close()
            shutil.rmtree(self.folder)

    async def finish(self) -> None:
        """Run until nothing is left to do; after a while the network is well again."""
        for left in range(MOST_ROUNDS, 0, -1):
            bad = left > MOST_ROUNDS - BAD_ROUNDS
            self.world.now += timedelta(seconds=2)
            await self.outbox.keep_leases(self.world.now)
            await self.give_up()
            await self.look(probes=True)
            if bad and self.luck.random() < 0.1:
                await self.die([self.luck.choice(("never", "done", "late")) for _ in range(8)])
            for call in list(self.wire.held):
                self.wire.answer(call, self.luck.choice(FATES) if bad else "taken")
            await self.calm()
            if not self.wire.held and not self.wire.late and not await self.open_rows():
                return
        raise AssertionError(await self.open_rows())

    async def open_rows(self) -> list[Row]:
        rows = await self.world.fetch("SELECT * FROM deliveries")
        return [row for row in rows if row["state"] in UNSETTLED]

    def judge(self) -> None:
        rows = self.run(self.world.fetch("SELECT * FROM deliveries"))
        found = {
            (row["broadcast_id"], row["action"], row["chat_id"], row["thread_id"]): row
            for row in rows
        }
        doubled = 0
        for story in self.stories:
            for place in story.destinations:
                row = found[story.broadcast, Action.SEND, *place]
                if story.retracted:
                    took = found.get((story.broadcast, Action.RETRACT, *place))
                    doubled += self.judge_retracted(story, place, row, took)
                    continue
                edit = found.get((story.broadcast, Action.EDIT, *place))
                doubled += self.judge_one(story, place, row, edit)
        assert doubled <= self.unconfirmed

    def judge_retracted(
        self, story: Sent, place: tuple[int, int], row: Row, took: Row | None
    ) -> int:
        """Nothing of it stands; a message out of reach has a recorded reason, or was replaced."""
        posts = self.posts_of(story, place)
        if row["state"] == DeliveryState.SENT:
            assert took is not None
            if posts:
                assert took["error"]
            return max(0, len(posts) - 1)
        if row["state"] == DeliveryState.FAILED:
            assert row["error"]
            return max(0, len(posts) - 1)
        assert row["state"] == DeliveryState.CANCELLED
        return len(posts)

    def posts_of(self, story: Sent, place: tuple[int, int]) -> list[Post]:
        start = story.text.partition(".")[0] + "."
        return [
            post
            for chat in self.world.ids[place[0]]
            for post in self.world.sandbox.sent(chat)
            if post.content.text.text.startswith(start) and post.thread_id == place[1]
        ]

    def judge_one(self, story: Sent, place: tuple[int, int], row: Row, edit: Row | None) -> int:
        posts = self.posts_of(story, place)
        if row["state"] == DeliveryState.FAILED:
            assert row["error"]
            return max(0, len(posts) - 1)
        assert row["state"] == DeliveryState.SENT
        assert posts, (story, place, row)
        newest = posts[-1]
        if edit is not None and edit["state"] == DeliveryState.FAILED:
            assert edit["error"]
        else:
            assert newest.content.text.text == story.text, (story, place, row, edit)
            (buttons,) = newest.content.markup["inline_keyboard"]
            assert [button["callback_data"] for button in buttons] == [
                button.callback_data for button in story.buttons[0]
            ]
        return len(posts) - 1


OutboxMachine.template = template_database()
OutboxMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestOutbox = OutboxMachine.TestCase
