// A batch's pictures before and after: arrow keys move among them, and on to the next page at the end.

const links = [...document.querySelectorAll("[data-pairs] a")];
const MOVES = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (row) => -row, ArrowDown: (row) => row };

/** How many stand in a row now. */
function rowLength() {
  const top = links[0].getBoundingClientRect().top;
  const next = links.findIndex((link) => link.getBoundingClientRect().top > top + 1);
  return next < 0 ? links.length : next;
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest?.("input, select, textarea")) return;
  if (event.key === "Escape") {
    const back = document.querySelector("[data-back]"); // a share link's page has none
    if (!back) return;
    event.preventDefault();
    location.assign(back.href);
    return;
  }
  if (!MOVES[event.key] || !links.length) return;
  event.preventDefault();
  const from = links.indexOf(document.activeElement);
  const to = from < 0 ? 0 : from + MOVES[event.key](rowLength());
  if (links[to]) links[to].focus();
  else if (to < 0) document.querySelector("[rel=prev]")?.focus();
  else (document.querySelector("[rel=next]") ?? links.at(-1)).focus();
});
