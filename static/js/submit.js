// The submit page: one source at a time, what it costs and how large it gets. Everything here only helps; the form
// works without it and the server checks the same rules.

import { ChosenFiles, pixels } from "./files.js";
import { watchSending } from "./sending.js";

const form = document.getElementById("submit-form");
const button = document.getElementById("send");
const cost = document.getElementById("cost");
const ways = Object.fromEntries([...form.querySelectorAll("[data-way]")].map((way) => [way.dataset.way, way]));
const url = document.getElementById("id_image_url");
const kept = form.querySelector('[data-source="kept"]');
const noResult = form.querySelector("[data-none]");
const number = new Intl.NumberFormat("en-GB");

const plural = (count, word) => `${number.format(count)} ${word}${count === 1 ? "" : "s"}`;
const setText = (element, text) => {
  // Only a real change: the cost is read out each time that it changes.
  if (element && element.textContent !== text) element.textContent = text;
};

function chosenModel() {
  return form.querySelector("[name=model_name]:checked");
}

function factor() {
  const fixed = chosenModel()?.dataset.factor;
  return Number(fixed ?? form.querySelector("[name=upscale_factor]:checked")?.value.replace("x", "") ?? 4);
}

function chosenResult() {
  return [...form.querySelectorAll("[name=generation_result_id]:checked")].find((radio) => radio.value);
}

function pictureCount() {
  if (kept) return 1;
  if (files.good.length) return files.good.length;
  return url?.value.trim() || chosenResult() ? 1 : 0;
}

function showCost() {
  const model = chosenModel();
  const price = Number(model?.dataset.credits ?? 0);
  const balance = Number(document.getElementById("balance")?.dataset.balance ?? 0);
  const count = pictureCount();
  const total = count * price;
  const month = document.getElementById("month");
  const budget = Number(month?.dataset.left ?? Infinity);
  const short = total > Math.min(balance, budget);
  const fewer = count > 1 ? "Remove pictures" : "Choose the other model";
  const each = count > 1 ? `${plural(count, "picture")} × ${plural(price, "credit")} = ` : "";
  setText(cost.querySelector("[data-cost-sum]"), count ? each + plural(total, "credit") : `${plural(price, "credit")} for each picture`);
  setText(
    cost.querySelector("[data-cost-left]"),
    short
      ? total > balance
        ? `Your team has ${number.format(balance)} left. ${fewer} or ${cost.dataset.moreCredits}.`
        : `${number.format(budget)} left of ${month.dataset.name}. ${fewer} or ${cost.dataset.largerBudget}.`
      : count
        ? `${number.format(balance - total)} left after this`
        : `${plural(balance, "credit")} in your team’s balance`,
  );
  cost.classList.toggle("short", short);
  button.disabled = short;
  setText(button, count > 1 ? `Enlarge ${count} pictures` : "Enlarge");
}

function showSizes() {
  const becomes = kept?.querySelector("[data-becomes]");
  if (kept?.dataset.width) {
    const { width, height } = kept.dataset;
    setText(becomes, `${pixels(width, height)} → ${pixels(width * factor(), height * factor())}`);
  }
  for (const radio of form.querySelectorAll("[name=generation_result_id][data-width]")) {
    const { width, height } = radio.dataset;
    const until = document.getElementById(`${radio.id}-size`);
    until.dataset.size ??= until.textContent;
    setText(until, radio.checked ? `→ ${pixels(width * factor(), height * factor())}` : until.dataset.size);
  }
}

/** One source: the way used last wins, and chosen files put the others away. */
function use(way) {
  if (way !== "url" && url) url.value = "";
  if (way !== "result" && noResult) noResult.checked = true;
  if (way !== "upload" && files.items.length) files.clear();
}

const input = document.getElementById("id_image"); // not there with a kept copy, nor where uploads are refused
const files = !input
  ? { items: [], good: [], clear() {}, sent() {}, refresh() {} }
  : new ChosenFiles({
      input,
      list: document.getElementById("files"),
      iconHref: form.querySelector(".drop-icon use").getAttribute("href").split("#")[0],
      limits: {
        accept: input.accept.split(",").map((type) => type.trim()),
        maxBytes: Number(form.dataset.maxBytes),
        maxMb: form.dataset.maxMb,
        maxFiles: Number(form.dataset.maxFiles),
        maxSourceMegapixels: Number(form.dataset.maxSourceMegapixels),
        maxResultMegapixels: Number(form.dataset.maxResultMegapixels),
        formats: form.dataset.formats,
      },
      onchange: filesChanged,
    });

function filesChanged() {
  document.getElementById("problems").replaceChildren(); // they were about what is no longer chosen
  const some = this.items.length > 0;
  for (const way of [ways.url, ways.result]) {
    way.hidden = way.disabled = some;
  }
  const wrong = this.items.length - this.good.length;
  const words = some
    ? plural(this.good.length, "picture") + (wrong ? ` will be sent, ${wrong} will not` : "")
    : "";
  document.getElementById("files-foot").hidden = !some;
  setText(document.getElementById("files-count"), words);
  setText(document.getElementById("files-said"), words);
  queueMicrotask(refresh);
}

function refresh() {
  for (const settings of form.querySelectorAll("[data-settings-of]")) {
    const off = chosenModel()?.value !== settings.dataset.settingsOf;
    settings.querySelectorAll("input").forEach((input) => (input.disabled = off));
  }
  for (const output of form.querySelectorAll("output")) {
    setText(output, Number(form.elements[output.htmlFor.value].value).toFixed(2));
  }
  showSizes();
  showCost();
}

form.addEventListener("input", ({ target }) => {
  if (target === url && url.value.trim()) use("url");
  if (target.name === "generation_result_id" && target.value) use("result");
  if (target.name === "model_name" || target.name === "upscale_factor") {
    refresh();
    files.factor = factor();
    files.refresh();
  }
  refresh();
});

if (input) {
  const well = form.querySelector("[data-well]");
  const take = (list, options) => {
    if (!list.length || !document.getElementById("upload").hidden) return;
    use("upload");
    files.add([...list], options);
  };
  files.input.addEventListener("change", () => files.items.length && use("upload"));
  // Anywhere on the page: a picture dropped beside the area would otherwise replace the page.
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    well.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || well.classList.remove("over"));
  addEventListener("drop", (event) => {
    well.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    take(event.clipboardData.files, { pasted: true });
  });
  document.getElementById("files-clear").addEventListener("click", () => {
    files.clear();
    files.input.focus();
  });
  files.factor = factor();
  files.refresh();
}

watchSending(form, { onsent: (ids) => files.sent(ids), onleft: () => use("nothing"), onend: refresh });
refresh();
// "Enlarge this result further" has chosen for the person, who should see what.
chosenResult()?.scrollIntoView({ block: "center" });
