// Results that wait for approval, decided by key. A decision is shown at once and sent one after the other; what was
// not taken says so on its own row, and is still to be decided.

const rows = [...document.querySelectorAll("[data-review-row]")];
const count = document.querySelector("[data-review-count]");
const end = document.querySelector("[data-review-end]");
const WORDS = { approved: "Approved", rejected: "Rejected", pending: "" };
const decided = [];
let current = -1;
let sending = Promise.resolve();
let unsent = 0;

const formOf = (row) => row.querySelector("[data-decide]");
const stateOf = (row) => row.dataset.state;

function show(row, state, words, failed = false) {
  row.dataset.state = state;
  row.classList.toggle("failed", failed);
  row.querySelector("[data-review-said]").textContent = words;
}

function tellCount() {
  if (!count) return;
  const number = (state) => rows.filter((row) => stateOf(row) === state).length;
  const failed = rows.filter((row) => row.classList.contains("failed")).length;
  const parts = [`${number("pending")} to decide`];
  if (number("approved")) parts.push(`${number("approved")} approved`);
  if (number("rejected")) parts.push(`${number("rejected")} rejected`);
  if (failed) parts.push(`${failed} not taken`);
  if (unsent) parts.push(`${unsent} being sent`);
  count.textContent = parts.join(", ");
  end.hidden = number("pending") > 0 || unsent > 0;
}

function go(index) {
  if (index < 0 || index >= rows.length) return;
  rows[current]?.classList.remove("current");
  current = index;
  rows[current].classList.add("current");
  rows[current].focus({ preventScroll: true });
  rows[current].scrollIntoView({ block: "nearest" });
}

function next(from) {
  const index = rows.findIndex((row, at) => at > from && stateOf(row) === "pending");
  go(index < 0 ? Math.min(from + 1, rows.length - 1) : index);
}

async function post(row, decision, fields) {
  const body = new FormData(formOf(row));
  body.set("decision", decision);
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  let answer;
  try {
    answer = await fetch(formOf(row).action, { method: "POST", body, headers: { Accept: "application/json" } });
  } catch {
    throw new Error("The desk could not be reached. Try again.");
  }
  const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
  if (answer.redirected || !isJson) throw new Error("The desk did not take it. Reload the page and sign in again.");
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail);
  return told;
}

/** `data-kept` is what the desk has answered last: a refusal brings the row back to it. */
function send(row, decision, fields) {
  unsent += 1;
  tellCount();
  sending = sending.then(async () => {
    try {
      const told = await post(row, decision, fields);
      row.dataset.kept = told.review === "none" ? "pending" : told.review;
      show(row, row.dataset.kept, told.words);
    } catch (error) {
      const at = decided.lastIndexOf(row);
      if (decision !== "taken_back" && at >= 0) decided.splice(at, 1);
      const what = decision === "taken_back" ? "Not undone" : "Not decided";
      show(row, row.dataset.kept ?? "pending", `${what}: ${error.message}`, true);
    }
    unsent -= 1;
    tellCount();
  });
}

function decide(row, decision, fields = {}) {
  if (stateOf(row) !== "pending" || !formOf(row)) return;
  decided.push(row);
  show(row, decision, `${WORDS[decision]}, being sent`);
  send(row, decision, fields);
}

function reject(row) {
  const form = formOf(row);
  const fields = { reason: form.elements.reason.value, note: form.elements.note.value };
  form.querySelector("[data-reject]").open = false;
  decide(row, "rejected", fields);
}

function undo() {
  const row = decided.pop();
  if (!row) return;
  show(row, "pending", "Being taken back");
  send(row, "taken_back", {});
  go(rows.indexOf(row));
}

function openReject(row) {
  if (stateOf(row) !== "pending" || !formOf(row)) return;
  row.querySelector("[data-reject]").open = true;
  formOf(row).elements.note.focus();
}

const KEYS = {
  a: () => { decide(rows[current], "approved"); next(current); },
  r: () => openReject(rows[current]),
  u: undo,
  j: () => go(current + 1),
  ArrowDown: () => go(current + 1),
  k: () => go(current - 1),
  ArrowUp: () => go(current - 1),
  Enter: () => location.assign(rows[current].querySelector("a").href),
};

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || !rows.length) return;
  const field = event.target.closest?.("input, select, textarea");
  if (field) {
    if (event.key !== "Escape" && !(event.key === "Enter" && field.matches("[name=note]"))) return;
    const row = field.closest("[data-review-row]");
    if (!row) return;
    event.preventDefault();
    const at = rows.indexOf(row);
    if (event.key === "Enter") {
      reject(row);
      next(at);
    } else {
      row.querySelector("[data-reject]").open = false;
      go(at);
    }
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "Enter" && event.target !== rows[current]) return;
  if (!KEYS[key]) return;
  event.preventDefault();
  KEYS[key]();
});

for (const row of rows) {
  row.addEventListener("focusin", () => {
    const at = rows.indexOf(row);
    if (at === current) return;
    rows[current]?.classList.remove("current");
    current = at;
    row.classList.add("current");
  });
  formOf(row)?.addEventListener("submit", (event) => {
    event.preventDefault();
    const at = rows.indexOf(row);
    if (event.submitter?.value === "rejected") reject(row);
    else decide(row, "approved");
    next(at);
  });
}

addEventListener("beforeunload", (event) => {
  if (unsent) event.preventDefault();
});

tellCount();
if (rows.length) go(0);
