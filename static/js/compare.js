// Before and after: lays the two pictures over one another under a line that a real range input moves, so that mouse,
// finger and keyboard work alike. "100 %" shows the result itself, one of its pixels on one of the screen's.

const SHOWABLE = ["png", "jpeg", "jpg", "webp", "avif", "gif"];
const MAX_PIXELS = 120e6; // a browser may run out of memory beyond
const STEP = 2; // per cent for an arrow key
const STILL = 4; // pixels that a hand may move in a click
const TAG_ROOM = 40; // pixels that the two words need beside their own widths
const ARROWS = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP };

function compare(box) {
  if (box.classList.contains("live")) return;
  const width = Number(box.dataset.width);
  const height = Number(box.dataset.height);
  const view = box.querySelector(".compare-view");
  const scroll = box.querySelector("[data-scroll]");
  const sheet = box.querySelector(".compare-sheet");
  const after = box.querySelector(".compare-after");
  const range = box.querySelector(".compare-range");
  const tags = [...box.querySelectorAll(".compare-tag")];
  const tools = box.querySelector(".compare-tools");
  const help = box.querySelector("[data-zoom-help]");
  const isFull = () => box.classList.contains("full");

  function draw() {
    const share = Number(range.value) / 100;
    const window_ = view.getBoundingClientRect();
    const paper = sheet.getBoundingClientRect();
    // In "Fit" the line runs over the picture alone, not over the grey beside it.
    const left = isFull() ? 0 : paper.left - window_.left;
    const span = isFull() ? window_.width : paper.width;
    const line = left + share * span;
    box.style.setProperty("--left", `${left}px`);
    box.style.setProperty("--span", `${span}px`);
    box.style.setProperty("--split", `${line}px`);
    box.style.setProperty("--cut", `${Math.max(0, Math.min(paper.width, line + window_.left - paper.left))}px`);
    // Where a picture has no room for both words, they stand on the grey, each on its own side.
    box.classList.toggle("slim", span < TAG_ROOM + tags.reduce((sum, tag) => sum + tag.offsetWidth, 0));
    range.setAttribute("aria-valuetext", `${Math.round(100 * share)} % before, ${Math.round(100 - 100 * share)} % after`);
  }

  /** "100 %", or "Fit". What lies under `point`, a place in the window, stays there; without one, what the line is on. */
  function zoom(full, point) {
    const window_ = view.getBoundingClientRect();
    const fit = sheet.getBoundingClientRect();
    const at = point ?? {
      x: fit.left + (Number(range.value) / 100) * fit.width,
      y: window_.top + window_.height / 2,
    };
    const within = (share) => Math.max(0, Math.min(1, share));
    const across = within((at.x - fit.left) / fit.width);
    const down = within((at.y - fit.top) / fit.height);
    box.classList.toggle("full", full);
    for (const button of tools.querySelectorAll("[data-zoom]")) {
      button.setAttribute("aria-pressed", String((button.dataset.zoom === "full") === full));
    }
    const whole = SHOWABLE.includes(box.dataset.format) && width * height <= MAX_PIXELS;
    help.textContent = !full
      ? help.dataset.zoomHelp
      : whole
        ? "Drag the picture to move it, the line to compare. Click for the whole."
        : "Shown from a smaller copy; the download has every pixel.";
    if (full) {
      scroll.tabIndex = 0;
      scroll.setAttribute("role", "group");
      scroll.setAttribute("aria-label", "The picture at 100 %; arrow keys move it");
      // As much grey as "Fit" has, or a place near the edge could not stay where it is.
      box.style.setProperty("--beside", `${Math.max(0, fit.left - window_.left)}px`);
      const taller = sheet.getBoundingClientRect().height > scroll.clientHeight;
      box.style.setProperty("--below", `${taller ? Math.max(0, scroll.clientHeight - fit.height) : 0}px`);
      const paper = sheet.getBoundingClientRect();
      scroll.scrollLeft += paper.left + across * paper.width - at.x;
      scroll.scrollTop += paper.top + down * paper.height - at.y;
      const moved = sheet.getBoundingClientRect();
      if (point) scrollBy({ top: moved.top + down * moved.height - at.y, behavior: "instant" });
      if (whole && after.getAttribute("src") !== box.dataset.full) after.src = box.dataset.full;
    } else {
      scroll.removeAttribute("tabindex");
      scroll.removeAttribute("role");
      scroll.removeAttribute("aria-label");
    }
    draw();
  }

  box.style.setProperty("--ratio", String(width / height));
  box.style.setProperty("--pixels", String(width / devicePixelRatio));
  box.classList.add("live");
  range.hidden = tools.hidden = false;
  range.addEventListener("input", draw);
  range.addEventListener("keydown", (event) => {
    if (!(event.key in ARROWS) || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    range.value = Number(range.value) + ARROWS[event.key];
    draw();
  });

  // Held and moved it is the line; only clicked, the place to look at. At 100 % the line alone takes the pointer, and
  // once held it must not lose it to the picture underneath.
  let press = null;
  const isStill = ({ clientX, clientY }) => Math.hypot(clientX - press.x, clientY - press.y) <= STILL;
  range.addEventListener("pointerdown", (event) => {
    press = { x: event.clientX, y: event.clientY, value: range.value, moved: false };
    range.classList.add("held");
  });
  range.addEventListener("pointermove", (event) => {
    if (press && !isStill(event)) press.moved = true;
  });
  function openHere(event) {
    if (!press || press.moved || !isStill(event) || isFull()) return;
    range.value = press.value;
    press = null;
    zoom(true, { x: event.clientX, y: event.clientY });
    scroll.focus({ preventScroll: true });
  }
  range.addEventListener("click", openHere);
  // A slider that a finger taps makes no click.
  range.addEventListener("pointerup", (event) => event.pointerType === "touch" && openHere(event));
  range.addEventListener("pointercancel", () => (press = null));
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => range.classList.remove("held"));
  scroll.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(view);
  tools.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-zoom]");
    if (button && (button.dataset.zoom === "full") !== isFull()) zoom(!isFull());
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isFull() || !box.isConnected) return;
    event.preventDefault();
    zoom(false);
    range.focus({ preventScroll: true });
  });

  let from = null;
  let dragged = false;
  scroll.addEventListener("pointerdown", (event) => {
    dragged = false;
    if (event.pointerType !== "mouse" || !isFull()) return;
    const inside = scroll.getBoundingClientRect();
    if (event.clientX - inside.left > scroll.clientWidth || event.clientY - inside.top > scroll.clientHeight) return;
    from = { x: event.clientX + scroll.scrollLeft, y: event.clientY + scroll.scrollTop };
    scroll.setPointerCapture(event.pointerId);
    event.preventDefault();
    scroll.focus({ preventScroll: true });
  });
  scroll.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = { x: from.x - event.clientX, y: from.y - event.clientY };
    if (Math.hypot(to.x - scroll.scrollLeft, to.y - scroll.scrollTop) > STILL) dragged = true;
    if (dragged) scroll.scrollTo(to.x, to.y);
  });
  for (const end of ["pointerup", "pointercancel"]) scroll.addEventListener(end, () => (from = null));
  scroll.addEventListener("click", ({ detail }) => {
    // The second of a double click belongs to the first, which has opened this.
    if (isFull() && !dragged && detail === 1) zoom(false);
  });
  draw();
}

const all = () => document.querySelectorAll("[data-compare]").forEach(compare);
document.addEventListener("htmx:load", all); // the picture may become ready while the page is open
all();
