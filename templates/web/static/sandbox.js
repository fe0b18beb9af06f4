/* The sandbox's messenger: chats, composer, inline mode, newsroom desk; live by server-sent events. */

import { bubble, forgetCards, make, summary } from "./sandbox.bubbles.js";
import { clock, day, useLanguage, word } from "./sandbox.words.js";

const INLINE_PAUSE_MS = 300;
const TOAST_MS = 2600;
const TYPING_MS = 5000;
const $ = (id) => document.getElementById(id);
const setup = JSON.parse(document.body.dataset.setup);
const state = {
  role: localStorage.getItem("role") === "editor" ? "editor" : "reader",
  language: localStorage.getItem("language") ?? "id",
  bot: {}, chats: new Map(), messages: new Map(), unread: new Map(), open: 0, shown: 0,
  replyTo: null, commands: [], asked: null, inlineTimer: 0, drafts: new Map(),
};

const me = () => setup[state.role];
const chat = () => state.chats.get(state.open);
const administers = (c) => ["creator", "administrator"].includes(c?.members[me()]);

async function ask(path, body) {
  const answer = await fetch(`/_sandbox/${path}`, body && {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const reply = await answer.json();
  if (!answer.ok) throw new Error(reply.description ?? answer.statusText);
  return body ? reply.result : reply;
}

/* World */

async function load() {
  const world = await ask(`world?user=${me()}`);
  state.bot = world.bot;
  state.chats = new Map(world.chats.filter((c) => !c.upgraded_to).map((c) => [c.id, c]));
  const lists = await Promise.all([...state.chats.keys()].map((id) => ask(`chats/${id}/messages`)));
  [...state.chats.keys()].forEach((id, i) => state.messages.set(id, new Map(lists[i].map((m) => [m.message_id, m]))));
  if (!state.chats.has(state.open)) state.open = me();
  showChats();
  await showRoom();
}

function title(c) {
  return c.type === "private" ? state.bot.first_name : c.title;
}

function about(c) {
  if (c.type === "private") return `@${state.bot.username} · ${word("bot")}`;
  const count = Object.values(c.members).filter((s) => !["left", "kicked"].includes(s)).length;
  const kind = word(c.type === "channel" ? "channel" : "group");
  return [c.username && `@${c.username}`, kind, `${count} ${word("members")}`].filter(Boolean).join(" · ");
}

function standing(id) {
  return [...(state.messages.get(id)?.values() ?? [])].filter((m) => !m.deleted_at);
}

function order() {
  const rank = (c) => ({ private: 0, channel: 1 })[c.type] ?? 2;
  return [...state.chats.values()].sort((a, b) => rank(a) - rank(b));
}

function face(node, c) {
  node.textContent = title(c).slice(0, 1);
  node.dataset.hue = Math.abs(c.type === "private" ? 0 : c.id) % 5;
  return node;
}

function showChats() {
  $("chats").replaceChildren(...order().map((c) => {
    const last = standing(c.id).at(-1);
    const count = state.unread.get(c.id) ?? 0;
    const row = make(
      "button", { type: "button", class: "chat", "data-chat": c.id, "aria-current": c.id === state.open ? "true" : undefined },
      face(make("span", { class: "avatar", "aria-hidden": "true" }), c),
      make("span", { class: "chat-title" }, title(c)),
      make("time", {}, last ? clock(last.date) : ""),
      make("span", { class: "chat-last", dir: "auto" }, last ? summary(last) : word("empty")),
      count ? make("span", { class: "badge" }, String(count)) : null,
    );
    row.addEventListener("click", () => openChat(c.id));
    return make("li", {}, row);
  }));
}

async function openChat(id) {
  state.drafts.set(state.open, $("text").value);
  state.open = id;
  state.unread.delete(id);
  document.body.dataset.view = "room";
  cancelReply();
  $("text").value = state.drafts.get(id) ?? "";
  showChats();
  await showRoom();
  if (matchMedia("(min-width: 46rem)").matches) $("text").focus();
}

async function showRoom() {
  const c = chat();
  $("room-title").textContent = title(c);
  $("room-about").textContent = about(c);
  face($("room-avatar"), c);
  const closed = c.type === "channel" && !administers(c);
  $("composer").hidden = closed;
  $("closed").hidden = !closed;
  if (state.shown !== c.id) closePanel();
  state.shown = c.id;
  fitText();
  showMessages();
  await learnCommands();
}

async function learnCommands() {
  state.commands = await ask(`commands?chat=${state.open}&user=${me()}`);
  if (document.activeElement === $("text")) typed();
}

/* Messages */

const acts = { say, reply: startReply, copy, press, inline: startInline };

function node(message) {
  const replied = message.reply_to_message && state.messages.get(message.chat.id)?.get(message.reply_to_message.message_id);
  return bubble(message, me(), replied ?? message.reply_to_message, acts);
}

function showMessages() {
  const list = standing(state.open);
  const nodes = [];
  let last = "";
  for (const message of list) {
    const label = day(message.date);
    if (label !== last) nodes.push(make("li", { class: "day" }, label));
    last = label;
    nodes.push(node(message));
  }
  $("messages").setAttribute("aria-live", "off");
  $("messages").replaceChildren(...nodes);
  $("start").hidden = list.length > 0 || chat().type !== "private";
  toBottom();
  requestAnimationFrame(() => $("messages").setAttribute("aria-live", "polite"));
}

function drawn(id) {
  return $("messages").querySelector(`li[data-id="${id}"]`);
}

function nearBottom() {
  const box = $("scroll");
  return box.scrollHeight - box.scrollTop - box.clientHeight < 120;
}

function toBottom() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
  $("jump").hidden = true;
  $("jump-count").textContent = "";
}

function added(message) {
  const stick = nearBottom() || message.from?.id === me();
  const before = standing(state.open).at(-2);
  if (!before || day(before.date) !== day(message.date)) $("messages").append(make("li", { class: "day" }, day(message.date)));
  const item = node(message);
  item.classList.add("new");
  $("messages").append(item);
  $("start").hidden = true;
  $("room-about").textContent = about(chat());
  if (stick) return toBottom();
  $("jump").hidden = false;
  $("jump-count").textContent = String(Number($("jump-count").textContent || 0) + 1);
}

/* A preview card grows after its bubble was drawn: whoever stood at the end stays there. */
new ResizeObserver(() => { if ($("jump").hidden) $("scroll").scrollTop = $("scroll").scrollHeight; }).observe($("messages"));

const EVENTS = {
  posted(event) {
    const list = state.messages.get(event.chat_id);
    list.set(event.message.message_id, event.message);
    if (event.chat_id === state.open) added(event.message);
    const seen = event.chat_id === state.open && (document.body.dataset.view === "room" || matchMedia("(min-width: 46rem)").matches);
    if (!seen && event.message.from?.id !== me()) state.unread.set(event.chat_id, (state.unread.get(event.chat_id) ?? 0) + 1);
    showChats();
  },
  edited(event) {
    state.messages.get(event.chat_id).set(event.message.message_id, event.message);
    const old = event.chat_id === state.open && drawn(event.message.message_id);
    if (old) {
      const fresh = node(event.message);
      fresh.classList.add("changed");
      old.replaceWith(fresh);
    }
    showChats();
  },
  deleted(event) {
    state.messages.get(event.chat_id).set(event.message.message_id, event.message);
    const old = event.chat_id === state.open && drawn(event.message.message_id);
    if (old) {
      old.classList.add("gone");
      setTimeout(() => old.remove(), 260);
    }
    showChats();
  },
  action(event) {
    if (event.chat_id !== state.open) return;
    $("room-about").textContent = word("typing");
    setTimeout(() => { if (chat()) $("room-about").textContent = about(chat()); }, TYPING_MS);
  },
  commands() {
    if (chat()) learnCommands();
  },
  chats: () => load(),
};

function listen() {
  const events = new EventSource("/_sandbox/events");
  let lost = false;
  events.addEventListener("open", () => {
    $("lost").hidden = true;
    if (lost) load();
    lost = false;
  });
  events.addEventListener("error", () => { lost = true; $("lost").hidden = false; });
  events.addEventListener("message", ({ data }) => {
    const event = JSON.parse(data);
    const known = ["chats", "commands"].includes(event.kind) || state.chats.has(event.chat_id);
    if (known) EVENTS[event.kind]?.(event);
  });
}

/* What the visitor does */

async function say(text) {
  if (!text.trim()) return;
  const body = { user_id: me(), chat_id: state.open, text };
  if (state.replyTo) body.reply_to = state.replyTo.message_id;
  try {
    await ask("say", body);
    cancelReply();
  } catch (error) {
    toast(`${word("failed")}: ${error.message}`);
    throw error;
  }
}

async function press(message, data, key) {
  if (key.getAttribute("aria-busy") === "true") return;
  key.setAttribute("aria-busy", "true");
  try {
    const { answer } = await ask("press", { user_id: me(), chat_id: message.chat.id, post_id: message.message_id, data });
    if (!answer) toast(word("noAnswer"));
    else if (answer.text && answer.show_alert) alertBox(answer.text);
    else if (answer.text) toast(answer.text);
  } catch {
    toast(word("noAnswer"));
  } finally {
    key.removeAttribute("aria-busy");
  }
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(word("copied"));
  } catch {
    toast(copyBySelection(text) ? word("copied") : word("copyFailed"));
  }
}

function copyBySelection(text) {
  const area = make("textarea", { class: "offscreen", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

let toastTimer = 0;

function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $("toast").classList.remove("shown"), TOAST_MS);
}

function alertBox(text) {
  $("alert-text").textContent = text;
  $("alert").showModal();
}

function startReply(message) {
  state.replyTo = message;
  $("replying-text").textContent = `${word("replyTo")}: ${summary(message)}`;
  $("replying").hidden = false;
  $("text").focus();
}

function cancelReply() {
  state.replyTo = null;
  $("replying").hidden = true;
}

/* Composer: commands and inline mode share one list above it */

function openPanel(nodes, label) {
  $("panel").replaceChildren(...nodes);
  $("panel").setAttribute("aria-label", label);
  $("panel").hidden = false;
  $("menu").setAttribute("aria-expanded", "true");
}

function closePanel() {
  $("panel").hidden = true;
  $("panel").replaceChildren();
  $("menu").setAttribute("aria-expanded", "false");
  clearTimeout(state.inlineTimer);
}

function option(act, ...children) {
  return make("button", { type: "button", role: "option", class: "option", on: { click: act } }, ...children);
}

function showCommands(prefix) {
  const group = chat().type === "private" ? "" : `@${state.bot.username}`;
  const found = state.commands.filter((c) => c.command.startsWith(prefix));
  const nodes = found.map((c) => option(
    () => { closePanel(); setText(""); say(`/${c.command}${group}`); },
    make("strong", {}, `/${c.command}`), make("span", {}, c.description),
  ));
  if (nodes.length || !prefix) openPanel(nodes.length ? nodes : [make("p", { class: "none" }, word("noCommands"))], word("commands"));
  else closePanel();
}

function startInline(query) {
  setText(`@${state.bot.username} ${query}`);
  $("text").focus();
  typed();
}

function inlineQuery() {
  const start = `@${state.bot.username} `;
  return $("text").value.startsWith(start) ? $("text").value.slice(start.length) : null;
}

async function showInline(query) {
  openPanel([make("p", { class: "none" }, word("searching"))], word("inline"));
  const kind = { private: "sender" }[chat().type] ?? chat().type;
  const asked = await ask("inline", { user_id: me(), query, chat_type: kind });
  if (inlineQuery() !== query) return;
  const nodes = (asked.answer?.results ?? []).map((r) => option(
    async () => { closePanel(); setText(""); await ask("choose", { asked_id: asked.id, result_id: r.id, chat_id: state.open }); },
    make("strong", {}, r.title ?? r.id), make("span", {}, r.description ?? ""),
  ));
  const none = word(asked.answer ? "noResults" : "noAnswer");
  openPanel(nodes.length ? nodes : [make("p", { class: "none" }, none)], word("inline"));
}

function typed() {
  fitText();
  const text = $("text").value;
  const query = inlineQuery();
  clearTimeout(state.inlineTimer);
  if (query !== null) state.inlineTimer = setTimeout(() => showInline(query).catch((e) => toast(e.message)), INLINE_PAUSE_MS);
  else if (/^\/\w*$/.test(text)) showCommands(text.slice(1));
  else closePanel();
}

function setText(text) {
  $("text").value = text;
  fitText();
}

function fitText() {
  $("text").style.height = "auto";
  $("text").style.height = `${Math.min($("text").scrollHeight, 160)}px`;
}

function walkPanel(event) {
  const options = [...$("panel").querySelectorAll(".option")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape" && !$("panel").hidden) { closePanel(); $("text").focus(); return; }
  if (!step || !options.length) return;
  event.preventDefault();
  const at = options.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : options.length - 1) : at + step;
  (options[next] ?? $("text")).focus();
}

async function submit() {
  if (inlineQuery() !== null) return;
  const text = $("text").value;
  closePanel();
  setText("");
  try {
    await say(text);
  } catch {
    if (!$("text").value) setText(text);
  }
}

/* Newsroom's desk */

async function instruct(path, body, done) {
  const buttons = [$("publish"), $("correct")];
  buttons.forEach((b) => { b.disabled = true; });
  try {
    const answer = await fetch(`/newsroom/${path}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const story = await answer.json();
    if (!answer.ok) throw new Error(story.error ?? answer.statusText);
    forgetCards();
    $("desk-status").replaceChildren(`${word(done)}: `, make("a", { href: new URL(story.url, location.href).pathname, target: "_blank" }, story.title));
  } catch (error) {
    $("desk-status").textContent = `${word("deskFailed")}: ${error.message}`;
  } finally {
    buttons.forEach((b) => { b.disabled = false; });
  }
}

async function publish() {
  const own = $("own-title").value.trim();
  await instruct("publish", own ? { title: own } : {}, "published");
  $("own-title").value = "";
}

/* Switches */

function choose(kind, value) {
  for (const radio of document.querySelectorAll(`[data-${kind}]`)) {
    const on = radio.dataset[kind] === value;
    radio.setAttribute("aria-checked", String(on));
    radio.tabIndex = on ? 0 : -1;
  }
  localStorage.setItem(kind, value);
}

async function switchRole(role) {
  const wasPrivate = state.open === me() || !state.open;
  state.role = role;
  choose("role", role);
  if (wasPrivate) state.open = me();
  state.unread.clear();
  cancelReply();
  await speak();
  await load();
}

async function speak() {
  state.language = useLanguage(state.language);
  choose("language", state.language);
  await ask("speak", { user_id: me(), language_code: state.language });
}

async function switchLanguage(code) {
  state.language = code;
  await speak();
  $("desk-status").textContent = "";
  await load();
}

function switchTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
}

function walkRadios(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const radios = [...event.currentTarget.querySelectorAll("[role=radio]")];
  const next = radios[(radios.indexOf(event.target) + step + radios.length) % radios.length];
  next.focus();
  next.click();
}

function wire() {
  const on = (id, event, act) => $(id).addEventListener(event, act);
  on("composer", "submit", (event) => { event.preventDefault(); submit(); });
  on("text", "input", typed);
  on("text", "keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
  });
  document.querySelector(".room").addEventListener("keydown", walkPanel);
  on("menu", "click", () => ($("panel").hidden ? showCommands("") : closePanel()));
  on("inline", "click", () => startInline(""));
  on("reply-cancel", "click", cancelReply);
  on("start-button", "click", () => say("/start"));
  on("jump", "click", toBottom);
  on("scroll", "scroll", () => { if (nearBottom()) { $("jump").hidden = true; $("jump-count").textContent = ""; } });
  on("back", "click", () => { document.body.dataset.view = "list"; });
  on("publish", "click", publish);
  on("correct", "click", () => instruct("correct", {}, "corrected"));
  on("theme", "click", switchTheme);
  for (const group of document.querySelectorAll(".switch")) group.addEventListener("keydown", walkRadios);
  for (const radio of document.querySelectorAll("[data-role]")) radio.addEventListener("click", () => switchRole(radio.dataset.role));
  for (const radio of document.querySelectorAll("[data-language]")) radio.addEventListener("click", () => switchLanguage(radio.dataset.language));
}

async function begin() {
  if (localStorage.getItem("theme")) document.documentElement.dataset.theme = localStorage.getItem("theme");
  state.open = me();
  choose("role", state.role);
  wire();
  listen();
  await speak();
  await load();
  document.body.dataset.ready = "yes";
}

begin();
