// Copying, live progress, live previews, and Telegram's word; without this script forms still serve.
"use strict";

const said = document.getElementById("said");
let quiet;

function say(text) {
  clearTimeout(quiet);
  said.textContent = text;
  quiet = setTimeout(() => { said.textContent = ""; }, 3000);
}

async function copy(element) {
  const { copied, failed } = document.body.dataset;
  try {
    await navigator.clipboard.writeText(element.textContent);
    say(copied);
  } catch {
    const area = document.createElement("textarea");
    area.value = element.textContent;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    say(done ? copied : failed);
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copy(document.getElementById(button.dataset.copy)));
}

const live = document.querySelector("[data-live]");
if (live) {
  const source = new EventSource(live.dataset.live);
  source.addEventListener("progress", (event) => {
    // An editor's second look or focus is not torn away.
    if (!live.querySelector("details[open]") && !live.contains(document.activeElement)) {
      live.innerHTML = event.data;
    } else {
      const fresh = document.createElement("div");
      fresh.innerHTML = event.data;
      for (const part of ["progress", ".meta", ".numbers"]) {
        live.querySelector(part).replaceWith(fresh.querySelector(part));
      }
    }
  });
  source.addEventListener("end", () => source.close());
}

const written = document.querySelector("[data-trial]");
if (written) {
  let pause, running;
  const tried = async () => {
    running?.abort();
    running = new AbortController();
    const body = new URLSearchParams(new FormData(written));
    try {
      const answer = await fetch(written.dataset.trial, { method: "POST", body, signal: running.signal });
      if (answer.ok) document.getElementById("trial").innerHTML = await answer.text();
    } catch (error) {
      if (error.name !== "AbortError") say(document.body.dataset.failed);
    }
  };
  written.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(tried, 400);
  });
}

const proof = document.getElementById("proof");
const word = new URLSearchParams(location.hash.slice(1)).get("tgWebAppData");
if (proof && word) {
  window.TelegramWebviewProxy?.postEvent("web_app_ready", "");
  proof.elements.proof.value = word;
  history.replaceState(null, "", location.pathname);
  proof.submit();
}
