// Ticked pictures of the history: a line that says how many, ranges with Shift, and what can be done with them. The
// checkboxes and the form's buttons work without this.

const form = document.getElementById("selection");
const said = document.getElementById("selected-said");
const page = document.querySelector("[data-select-page]");
const all = form?.querySelector("[data-select-all]");
const allBox = all?.querySelector("input");
const allWords = all?.querySelector("[data-all-words]");

const boxes = () => [...document.querySelectorAll("#history [name=chosen]")];
const some = (list) => list.some((box) => box.checked);
const every = (list) => list.length > 0 && list.every((box) => box.checked);
let last = null;
let matching = null;

function mark(box, list) {
  box.checked = every(list);
  box.indeterminate = !box.checked && some(list);
}

function update() {
  const list = boxes();
  const count = list.filter((box) => box.checked).length;
  const isWhole = every(list);
  mark(page, list);
  for (const box of document.querySelectorAll("[data-select-group]")) {
    mark(box, [...box.closest("section").querySelectorAll("[name=chosen]")]);
  }
  if (all) {
    all.hidden = !isWhole;
    if (!isWhole) allBox.checked = false;
    else if (!matching) ask();
  }
  const words = allBox?.checked && matching ? `All ${matching} that match are selected` : `${count.toLocaleString("en")} selected`;
  if (said.textContent !== words) said.textContent = words;
  form.classList.toggle("some", count > 0);
  document.documentElement.classList.toggle("selecting", count > 0);
}

/** How many there are on all pages, said beside the box once somebody has ticked a whole page. */
async function ask() {
  matching = "";
  allBox.disabled = true;
  try {
    const answer = await fetch(form.dataset.countUrl, { headers: { Accept: "application/json" } });
    const { count, is_too_many: isTooMany } = await answer.json();
    matching = isTooMany ? "" : count.toLocaleString("en");
    allWords.textContent = isTooMany
      ? `More than ${count.toLocaleString("en")} match: narrow the filters to select them all`
      : `All ${matching} that match, on other pages too`;
    allBox.disabled = isTooMany;
  } catch {
    matching = null; // asked again next time
    allBox.disabled = false;
  }
}

function choose(box, shift) {
  const list = boxes();
  if (shift && last && last !== box && list.includes(last)) {
    const [from, to] = [list.indexOf(last), list.indexOf(box)].sort((a, b) => a - b);
    for (const one of list.slice(from, to + 1)) one.checked = box.checked;
  }
  last = box;
}

function set(list, checked) {
  for (const box of list) box.checked = checked;
  update();
}

if (form) {
  document.addEventListener("click", (event) => {
    if (event.target.name === "chosen") choose(event.target, event.shiftKey);
  });
  document.addEventListener("change", ({ target }) => {
    if (target === page) set(boxes(), target.checked);
    else if (target.matches("[data-select-group]")) {
      set([...target.closest("section").querySelectorAll("[name=chosen]")], target.checked);
    } else if (target.name === "chosen" || target === allBox) update();
  });
  form.querySelector("[data-select-none]").addEventListener("click", () => {
    set(boxes(), false);
    boxes()[0]?.focus();
  });
  // A row that is swapped for what it has become stays ticked.
  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    const old = detail.target.querySelector?.("[name=chosen]");
    const fresh = detail.fragment.querySelector?.("[name=chosen]");
    if (old && fresh) fresh.toggleAttribute("checked", old.checked);
  });
  // Browsers tick again what was ticked when somebody comes back.
  addEventListener("pageshow", update);
  update();
}
