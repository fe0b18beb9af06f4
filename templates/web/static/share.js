// Copying and the phone's own share sheet; without this script the texts and links still serve.
"use strict";

const said = document.getElementById("said");
let quiet;

function say(text) {
  clearTimeout(quiet);
  said.textContent = text;
  quiet = setTimeout(() => { said.textContent = ""; }, 3000);
}

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

async function copy(element) {
  const { failed, copiedUrl, copied: copiedText } = document.body.dataset;
  const copied = element.id === "url" ? copiedUrl : copiedText;
  try {
    await navigator.clipboard.writeText(element.textContent);
    say(copied);
  } catch {
    select(element);
    say(document.execCommand("copy") ? copied : failed);
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copy(document.getElementById(button.dataset.copy)));
}

const device = document.getElementById("device");
if (navigator.share && device.dataset.url) {
  device.hidden = false;
  device.addEventListener("click", async () => {
    try {
      await navigator.share({ title: device.dataset.title, url: device.dataset.url });
    } catch (error) {
      if (error.name !== "AbortError") say(document.body.dataset.failed);
    }
  });
}
