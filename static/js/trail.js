// Keys on the page of one upscale: to the one before and after it, and back to the history. The slider and the picture
// at 100 % have the arrows for themselves; with Shift they lead on from there too.

const trail = document.getElementById("trail");
const ways = { ArrowLeft: "[rel=prev]", ArrowRight: "[rel=next]", Escape: "[data-back]" };

addEventListener("keydown", (event) => {
  const way = ways[event.key];
  if (!way || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
  const isArrow = event.key !== "Escape";
  if (isArrow && !event.shiftKey && event.target.closest?.("input, select, textarea, [data-scroll]")) return;
  if (isArrow && event.shiftKey && !getSelection().isCollapsed) return; // it makes a selection longer
  const link = trail.querySelector(way);
  if (!link) return;
  event.preventDefault();
  location.assign(link.href);
});
