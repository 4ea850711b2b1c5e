// The keys of a comparison, on its page wherever nothing else has the focus, and in the list of what changed. `compare.html` lists them.

const FAR = 80; // pixels for an arrow key
const NEARER = 1.25;
const ARROWS = { ArrowLeft: [-FAR, 0], ArrowRight: [FAR, 0], ArrowUp: [0, -FAR], ArrowDown: [0, FAR] };

export function keys(comparison) {
  const { box, stage, tools, range } = comparison;
  const help = box.querySelector("[data-keys]");
  const link = () => tools.querySelector("a[aria-keyshortcuts=w]") ?? document.querySelector("[data-back][aria-keyshortcuts~=w]");
  const acts = {
    s: () => comparison.show("slider"),
    b: () => comparison.show("sides"),
    f: () => comparison.show("flicker"),
    0: () => comparison.zoom("fit"),
    1: () => comparison.zoom(1),
    2: () => comparison.zoom(2),
    "+": () => comparison.zoomBy(NEARER),
    "=": () => comparison.zoomBy(NEARER),
    "-": () => comparison.zoomBy(1 / NEARER),
    m: () => comparison.turnLens(),
    h: () => comparison.heat(),
    w: () => link() && location.assign(link().href),
    x: () => flips() && (comparison.play(false), comparison.flip()),
    "?": () => {
      help.open = !help.open;
      if (help.open) help.scrollIntoView({ block: "nearest" });
    },
  };
  const flips = () => comparison.mode === "flicker";

  /** What was opened last is closed first; false where nothing is open. */
  function close() {
    if (help.open) help.open = false;
    else if (comparison.lens.isOn) comparison.turnLens(0);
    else if (!comparison.view.isFit) {
      comparison.zoom("fit");
      (range.hidden ? stage : range).focus({ preventScroll: true });
    } else return false;
    return true;
  }

  function onKey(event) {
    if (!box.isConnected) return document.removeEventListener("keydown", onKey);
    const { target, key } = event;
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return undefined;
    if (target !== document.body && !box.contains(target) && !target.closest("[data-compare-keys]")) return undefined;
    let isDone = false;
    if (key === "Escape") isDone = close();
    else if (key in ARROWS) isDone = !event.shiftKey && (target === stage || target === document.body) && comparison.nudge(...ARROWS[key]);
    else if (key === " ") {
      isDone = flips() && !target.closest("button, a, summary");
      if (isDone) comparison.play(!comparison.timer);
    } else if (acts[key.toLowerCase()]) {
      acts[key.toLowerCase()]();
      isDone = true;
    }
    if (isDone) event.preventDefault();
    return undefined;
  }
  document.addEventListener("keydown", onKey);
}
