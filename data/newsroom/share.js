"use strict";

async function copy(button) {
  const note = button.closest(".share").querySelector(".copied");
  await navigator.clipboard.writeText(button.dataset.url);
  note.classList.add("shown");
  setTimeout(() => note.classList.remove("shown"), 2500);
}

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", () => copy(button));
}
