/* A message as a bubble: text with its entities, preview card, buttons. */

import { clock, word } from "./sandbox.words.js";

const TAGS = {
  bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code", pre: "pre",
  blockquote: "blockquote", expandable_blockquote: "blockquote",
};
const cards = new Map();

export function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class") node.className = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function safe(link) {
  try {
    const url = new URL(link.includes("://") ? link : `http://${link}`);
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/* Entities are sorted by start, the longer first, so each holds those that follow inside it. */
export function rich(text, entities, acts, start = 0, end = text.length) {
  const nodes = [];
  let at = start;
  for (let i = 0; i < entities.length; i += 1) {
    const entity = entities[i];
    const stop = Math.min(entity.offset + entity.length, end);
    if (entity.offset < at || stop <= entity.offset) continue;
    const inside = entities.slice(i + 1).filter((e) => e.offset < stop);
    nodes.push(text.slice(at, entity.offset));
    nodes.push(wrapped(entity, text.slice(entity.offset, stop), rich(text, inside, acts, entity.offset, stop), acts));
    at = stop;
  }
  nodes.push(text.slice(at, end));
  return nodes;
}

function wrapped(entity, raw, children, acts) {
  if (entity.type in TAGS) return make(TAGS[entity.type], {}, ...children);
  if (entity.type === "spoiler") {
    const node = make("button", { type: "button", class: "spoiler", "aria-label": word("spoiler") }, ...children);
    node.addEventListener("click", () => node.replaceWith(...node.childNodes));
    return node;
  }
  if (entity.type === "bot_command") {
    return make("button", { type: "button", class: "inline-link", on: { click: () => acts.say(raw) } }, raw);
  }
  const link = entity.type === "text_link" ? safe(entity.url) : entity.type === "url" ? safe(raw) : null;
  if (link) return make("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, ...children);
  return make("span", { class: `e-${entity.type}` }, ...children);
}

export function name(user) {
  return [user.first_name, user.last_name].filter(Boolean).join(" ");
}

export function summary(message) {
  if (message.text ?? message.caption) return (message.text ?? message.caption).replace(/\s+/g, " ");
  if (message.photo) return word("photo");
  if (message.document) return word("document");
  return service(message);
}

function service(message) {
  if (message.forum_topic_created) return `${word("pinnedTopic")}: ${message.forum_topic_created.name}`;
  return "";
}

export function bubble(message, me, replied, acts) {
  const own = message.from?.id === me;
  const text = message.text ?? message.caption ?? "";
  const entities = message.entities ?? message.caption_entities ?? [];
  if (!text && !message.photo && !message.document) {
    return make("li", { class: "service", "data-id": message.message_id }, service(message));
  }
  const body = make("div", { class: "body", dir: "auto" }, ...rich(text, entities, acts));
  const card = preview(message, entities, text);
  const above = message.link_preview_options?.show_above_text;
  const bubbleNode = make(
    "article", { class: "bubble" },
    own || message.sender_chat || message.chat.type === "private" ? null : make("p", { class: "sender" }, name(message.from ?? {})),
    message.forward_date ? make("p", { class: "origin" }, `${word("forwarded")} ${origin(message)}`) : null,
    message.via_bot ? make("p", { class: "origin" }, `${word("via")} @${message.via_bot.username}`) : null,
    replied ? make("p", { class: "quoted" }, summary(replied)) : null,
    media(message), above ? card : null, text ? body : null, above ? null : card, foot(message, acts),
  );
  return make(
    "li", { class: own ? "mine" : "theirs", "data-id": message.message_id }, bubbleNode,
    keyboard(message, acts),
  );
}

function origin(message) {
  const from = message.forward_origin ?? {};
  return from.chat?.title ?? name(from.sender_user ?? {});
}

function media(message) {
  if (message.photo) {
    const file = message.photo[message.photo.length - 1].file_id;
    const image = make("img", { class: "photo", src: `/_sandbox/media/${file}`, alt: message.caption ?? word("photo"), loading: "lazy" });
    image.addEventListener("error", () => image.replaceWith(make("p", { class: "no-photo" }, word("photo"))));
    return image;
  }
  return message.document ? make("p", { class: "no-photo" }, message.document.file_name || word("document")) : null;
}

function foot(message, acts) {
  return make(
    "footer", {},
    make("button", {
      type: "button", class: "icon reply", title: word("reply"),
      "aria-label": `${word("reply")}: ${summary(message).slice(0, 60)}`, on: { click: () => acts.reply(message) },
    }, icon("reply")),
    message.edit_date ? make("span", { class: "edited" }, word("edited")) : null,
    make("time", { datetime: new Date(message.date * 1000).toISOString() }, clock(message.date)),
  );
}

function preview(message, entities, text) {
  const options = message.link_preview_options ?? {};
  const first = entities.find((e) => ["url", "text_link"].includes(e.type));
  const link = options.is_disabled ? null : safe(options.url ?? first?.url ?? (first ? text.slice(first.offset, first.offset + first.length) : ""));
  if (!link || !text) return null;
  const card = make("a", { class: options.prefer_large_media ? "card large" : "card", href: link, target: "_blank", rel: "noopener noreferrer", hidden: true });
  describe(link).then((about) => fill(card, about, Boolean(options.url)));
  return card;
}

function describe(link) {
  if (!cards.has(link)) {
    cards.set(link, fetch(`/_sandbox/card?url=${encodeURIComponent(link)}`).then((r) => r.json()).catch(() => ({})));
  }
  return cards.get(link);
}

export function forgetCards() {
  cards.clear();
}

function fill(card, about, asked) {
  if (!about.site || !(about.title || asked)) return;
  if (about.image) {
    const image = make("img", { src: about.image, alt: "" });
    image.addEventListener("error", () => image.remove());
    card.append(image);
  }
  card.append(make(
    "span", { class: "card-text" }, make("span", { class: "card-site" }, about.site),
    about.title ? make("strong", {}, about.title) : null,
    about.description ? make("span", { class: "card-about" }, about.description) : null,
  ));
  card.hidden = false;
}

function keyboard(message, acts) {
  const rows = message.reply_markup?.inline_keyboard;
  if (!rows) return null;
  return make("div", { class: "keyboard" }, ...rows.map((row) => make("div", { class: "row" }, ...row.map((b) => button(b, message, acts)))));
}

function button(spec, message, acts) {
  const link = spec.url ? safe(spec.url) : null;
  if (link) {
    return make("a", { class: "key", href: link, target: "_blank", rel: "noopener noreferrer", "aria-label": `${spec.text} (${word("opens")})` }, spec.text, icon("out"));
  }
  const act = spec.copy_text ? () => acts.copy(spec.copy_text.text)
    : spec.callback_data !== undefined ? (event) => acts.press(message, spec.callback_data, event.currentTarget)
    : () => acts.inline(spec.switch_inline_query_current_chat ?? spec.switch_inline_query ?? spec.switch_inline_query_chosen_chat?.query ?? "");
  return make("button", { type: "button", class: "key", on: { click: act } }, spec.text, spec.copy_text ? icon("copy") : null);
}
