// One chosen picture: what the list knows of it, and how that is shown.

import { WRONG, placeOf, wordOf } from "./states.js";
import { fileSize, number, pixels, setText, when } from "./words.js";

const LINK = { Done: "Use that one, free", Error: "See it" };

/** What a row's buttons change of its item on the desk. */
export const CHANGES = {
  anew: { anew: true },
  "not-anew": { anew: false },
  enlarge: { enlarged: true },
  "not-enlarge": { enlarged: false },
};

/** As a person sorts: folder by folder, and 2 before 10. */
export const sortKey = (folder, name) => `${folder}/${name}`.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));

/** A row of what is on the server. */
export function rowOfItem(item) {
  const name = item.name || "Picture from the web";
  return {
    ...item,
    row: `i${item.id}`,
    item: item.id,
    key: null,
    name,
    where: [item.folder, item.origin].filter(Boolean).join(" · "),
    sku: item.sku ?? "",
    order: sortKey(item.folder, name),
    number: item.id,
    hay: `${name}\n${item.folder ?? ""}\n${item.origin ?? ""}\n${item.sku ?? ""}`.toLowerCase(),
  };
}

/** A row of a file that is still on this side. */
export function rowOfEntry(entry) {
  return {
    row: `e${entry.key}`,
    item: null,
    key: entry.key,
    name: entry.name,
    where: entry.folder,
    sku: "",
    bytes: entry.size,
    state: entry.problem ?? entry.state,
    message: entry.message,
    sent: entry.sent,
    made: null,
    thumbnail: null,
    order: (entry.order ??= sortKey(entry.folder, entry.name)),
    number: entry.number,
    hay: `${entry.name}\n${entry.folder}`.toLowerCase(),
  };
}

export function byName(one, other) {
  if (one.order === other.order) return one.number - other.number;
  return one.order < other.order ? -1 : 1;
}

/** Problems first, then what is on its way. */
export const byUrgency = (one, other) => placeOf(one.state) - placeOf(other.state) || byName(one, other);

function sizeOf({ width, height, bytes }) {
  return [width ? pixels(width, height) : "", bytes ? fileSize(bytes) : ""].filter(Boolean).join(", ");
}

function becomesOf({ state, result_width: width, result_height: height }) {
  return width && ["ready", "fetch", "made"].includes(state) ? `→ ${pixels(width, height)}` : "";
}

function wordsOf(row) {
  if (row.state === "sending") return row.sent < row.bytes ? `${Math.floor((100 * row.sent) / row.bytes)} %` : "Checking…";
  return row.state === "ready" && row.made ? "Will be made anew" : wordOf(row.state);
}

function madeBy({ by, when: at, status }) {
  const deed = status === "Done" ? "Made" : "Ordered";
  return `${deed}${by ? ` by ${by}` : ""} on ${when(at)}${status === "Done" ? "" : ", still under way"}.`;
}

/** Show a row in an element made from the template. */
export function paint(element, row) {
  const part = (name) => element.querySelector(`[data-part="${name}"]`);
  const isHere = row.item !== null;
  element.dataset.row = row.row;
  element.dataset.state = row.state;

  const picture = part("picture");
  picture.hidden = !row.thumbnail;
  if (row.thumbnail && picture.getAttribute("src") !== row.thumbnail) picture.src = row.thumbnail;
  const kind = part("kind");
  kind.hidden = Boolean(row.thumbnail);
  setText(kind, row.state === "fetch" ? "WEB" : (row.name.match(/\.(\w{1,5})$/)?.[1] ?? "").toUpperCase());

  const name = part("name");
  setText(name, row.name);
  name.title = row.name;
  setText(part("where"), row.where);

  const sku = part("sku");
  part("sku-field").hidden = !isHere || WRONG.includes(row.state);
  if (document.activeElement !== sku) sku.value = row.sku;
  sku.setAttribute("aria-label", `SKU of ${row.name}`);

  setText(part("size"), sizeOf(row));
  setText(part("becomes"), becomesOf(row));
  setText(part("word"), wordsOf(row));
  const bar = part("bar");
  bar.hidden = row.state !== "sending";
  bar.value = row.bytes ? (100 * (row.sent ?? 0)) / row.bytes : 0;
  const message = [row.reach, row.message].filter(Boolean).join(" ");
  setText(part("message"), row.state === "made" && row.made ? madeBy(row.made) : message);

  const link = part("made");
  link.hidden = row.state !== "made" || !row.made;
  if (!link.hidden) {
    link.href = row.made.url;
    setText(link, LINK[row.made.status] ?? "See how it stands");
    link.setAttribute("aria-label", `${link.textContent}: ${row.name}`);
  }
  const show = (act, isShown, label) => {
    const button = part(act);
    button.hidden = !isShown;
    button.setAttribute("aria-label", `${label} ${row.name}`);
  };
  show("anew", row.state === "made", "Make anew:");
  show("not-anew", row.state === "ready" && Boolean(row.made), "Use the one made already:");
  show("enlarge", row.state === "fitted", "Enlarge all the same:");
  show("not-enlarge", row.state === "ready" && Boolean(row.enlarged), "Only fit, free:");
  show("again", row.state === "failed" && !row.problem, "Try again:");
  show("remove", true, isHere || row.state === "failed" ? "Remove" : "Cancel");
}

/** A place in a list of many, for those who can't see how many there are. */
export function placeIn(element, index, count) {
  element.setAttribute("aria-posinset", index + 1);
  element.setAttribute("aria-setsize", count);
}

export const countWords = (count, all) => (count === all ? `${number(all)}` : `${number(count)} of ${number(all)}`);
