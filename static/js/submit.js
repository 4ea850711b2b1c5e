// The submit page. What is chosen goes to the server at once and waits there in a draft; this page shows the draft. The
// plain form works without any of it, and the server checks the same rules.

import { Chosen } from "./intake/chosen.js";
import { addressesIn, fromDrop, fromInput, fromPaste } from "./intake/sources.js";
import { say, tell, untell } from "./intake/messages.js";
import { plural } from "./intake/words.js";

const form = document.getElementById("submit-form");
const well = form.querySelector("[data-well]"); // not there where uploads are refused
const addresses = document.getElementById("id_image_url");
const chosen = new Chosen(form);

/** Take what a source brought, of whatever kind. */
async function take(source) {
  untell();
  const { files, leftOut, addresses: links } = await source;
  if (leftOut.length) chosen.leaveOut(leftOut);
  if (files.length) chosen.addFiles(files);
  if (links.length) await chosen.addAddresses(links.join("\n"));
  if (!files.length && !links.length && leftOut.length) {
    tell(`There was no picture in it: ${plural(leftOut.length, "file was", "files were")} left out, see below.`);
  } else if (!files.length && !links.length) {
    tell("There was no picture in that. Save the picture first, then choose its file.");
  }
}

if (well) {
  for (const input of form.querySelectorAll("#id_image, #id_folder")) {
    input.addEventListener("change", () => input.files.length && take(fromInput(input)));
  }
  // After "back" the browser may have kept files that were on their way.
  const input = document.getElementById("id_image");
  if (input.files.length) take(fromInput(input));
}

// Anywhere on the page: a picture dropped beside the area would otherwise replace the page.
let isOwn = false; // dragged from this very page
const brings = ({ dataTransfer: { types } }) =>
  !isOwn && (types.includes("Files") ? Boolean(well) : types.includes("text/uri-list"));
addEventListener("dragstart", () => (isOwn = true));
addEventListener("dragend", () => (isOwn = false));
addEventListener("dragover", (event) => {
  if (!brings(event)) return;
  event.preventDefault();
  (well ?? addresses).classList.add("over");
});
const leave = () => (well ?? addresses).classList.remove("over");
addEventListener("dragleave", (event) => event.relatedTarget || leave());
addEventListener("drop", (event) => {
  leave();
  if (!brings(event)) return;
  event.preventDefault();
  say("Looking through what was dropped…");
  take(fromDrop(event.dataTransfer));
});

addEventListener("paste", (event) => {
  const pasted = fromPaste(event);
  if (!pasted || (pasted.files.length && !well)) return;
  event.preventDefault();
  if (!("text" in pasted)) {
    take(pasted);
  } else if (!pasted.addresses.length) {
    say("The text that you pasted has no addresses of pictures in it.");
  } else {
    addresses.value = [...addressesIn(addresses.value), ...pasted.addresses].join("\n");
    addresses.focus();
    addresses.scrollIntoView({ block: "center" });
    say(`${plural(pasted.addresses.length, "address", "addresses")} pasted. Press Add to take them.`);
  }
});

const add = document.getElementById("add-addresses");

async function addTyped() {
  const text = addresses.value.trim();
  if (!text || add.ariaBusy === "true") return;
  untell();
  const words = add.textContent;
  add.ariaBusy = "true";
  add.textContent = "Adding…";
  if ((await chosen.addAddresses(text)) && addresses.value.trim() === text) addresses.value = "";
  add.textContent = words;
  add.ariaBusy = null;
}
add.addEventListener("click", addTyped);
addresses.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    addTyped();
  }
});

form.addEventListener("click", ({ target }) => {
  const { upscale } = target.closest("[data-upscale]")?.dataset ?? {};
  if (upscale) chosen.addEarlier(upscale, "result");
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  untell();
  if (addresses.value.trim()) {
    // Not ordered with the same press: nobody has seen yet what it costs.
    await addTyped();
    document.getElementById("send").focus();
    return;
  }
  await chosen.order();
});

// "Enlarge this result further" has chosen for the person. Once: a reload doesn't choose it again.
const { addUpscale, addWhat } = form.dataset;
history.replaceState(history.state, "", location.pathname);
chosen.begin().then(() => addUpscale && chosen.addEarlier(addUpscale, addWhat));
