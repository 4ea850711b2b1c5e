// Where pictures come from: files, folders, what is dropped and what is pasted. Each answers
// { files: [{ file, folder }], leftOut: [{ name, message }], addresses: [] }.

const NOT_MEANT = /^(\.|Thumbs\.db$|desktop\.ini$|__MACOSX$|~\$)/i;
const ADDRESS = /https?:\/\/[^\s<>"'`]+/gi;

const found = () => ({ files: [], leftOut: [], addresses: [] });

function take(into, file, folder) {
  if (NOT_MEANT.test(file.name) || /(^|\/)(__MACOSX|\.[^/]*)(\/|$)/.test(folder)) {
    into.leftOut.push({ name: file.name, message: "The system’s own file, no picture." });
  } else {
    into.files.push({ file, folder });
  }
}

/** The addresses in a text. */
export function addressesIn(text) {
  return [...new Set((text.match(ADDRESS) ?? []).map((address) => address.replace(/[),.;]+$/, "")))];
}

/** Files or a folder from a file input, which is emptied for the next. */
export function fromInput(input) {
  const all = found();
  for (const file of input.files) take(all, file, file.webkitRelativePath.split("/").slice(0, -1).join("/"));
  input.value = "";
  return all;
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

async function contentOf(directory) {
  const reader = directory.createReader();
  const all = [];
  for (;;) {
    // A hundred at a time, until there are none.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

async function walk(entry, folder, into) {
  if (entry.isFile) {
    try {
      take(into, await fileOf(entry), folder);
    } catch {
      into.leftOut.push({ name: entry.name, message: "It can’t be opened: the system doesn’t let the browser read it." });
    }
    return;
  }
  if (NOT_MEANT.test(entry.name)) {
    into.leftOut.push({ name: entry.name, message: "The system’s own folder." });
    return;
  }
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  try {
    const content = await contentOf(entry);
    if (!content.length) into.leftOut.push({ name: path, message: "An empty folder." });
    for (const one of content) await walk(one, path, into);
  } catch {
    into.leftOut.push({ name: path, message: "This folder can’t be opened: the system doesn’t let the browser read it." });
  }
}

/** The addresses of the pictures that were dragged from another page. */
function draggedAddresses(html, list) {
  const pictures = html ? [...new DOMParser().parseFromString(html, "text/html").images] : [];
  const sources = pictures.map((picture) => picture.getAttribute("src") ?? "").filter((src) => /^https?:/i.test(src));
  if (sources.length) return [...new Set(sources)];
  return list.split(/\r?\n/).filter((line) => /^https?:/i.test(line));
}

/** What was dropped; a promise, since folders take a while. The transfer is only there until this returns. */
export function fromDrop(transfer) {
  const all = found();
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.());
  const files = [...transfer.files];
  if (!files.length && !entries.length) {
    all.addresses = draggedAddresses(transfer.getData("text/html"), transfer.getData("text/uri-list"));
    return Promise.resolve(all);
  }
  if (entries.length !== files.length || entries.some((entry) => !entry)) {
    // No folders here: a browser without them, or files that a page made.
    for (const file of files) take(all, file, "");
    return Promise.resolve(all);
  }
  return (async () => {
    for (const entry of entries) await walk(entry, "", all);
    return all;
  })();
}

const isField = (target) =>
  target.isContentEditable || (target.matches("input, textarea") && !/^(radio|checkbox|range|file|button)$/.test(target.type));

let pasted = 0;

/**
 * What was pasted; null where the paste is the text field's own. A cell copied from a spreadsheet brings its text and
 * a picture of it, and the text is what was meant.
 */
export function fromPaste({ clipboardData, target }) {
  const text = clipboardData.getData("text/plain").trim();
  const files = [...clipboardData.files];
  // Files copied in a file manager bring their names along.
  const isNames = files.length > 0 && text.split(/\r?\n/).every((line) => files.some(({ name }) => name === line.split("/").pop()));
  if (text && !isNames) {
    if (target instanceof Element && isField(target)) return null;
    return { ...found(), addresses: addressesIn(text), text };
  }
  if (!files.length) return null;
  const all = found();
  for (const file of files) {
    const isNameless = /^image\.\w+$/.test(file.name);
    const name = isNameless ? `Pasted picture ${++pasted}.${file.name.split(".").pop()}` : file.name;
    take(all, new File([file], name, { type: file.type }), "");
  }
  return all;
}
