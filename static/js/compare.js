// Before and after: lays the two pictures over one another under a line that a real range input moves, so that mouse,
// finger and keyboard work alike. "100 %" shows the result itself, one of its pixels on one of the screen's.

const SHOWABLE = ["png", "jpeg", "jpg", "webp", "avif", "gif"];
const MAX_PIXELS = 120e6; // a browser may run out of memory beyond

function compare(box) {
  if (box.classList.contains("live")) return;
  const width = Number(box.dataset.width);
  const height = Number(box.dataset.height);
  const view = box.querySelector(".compare-view");
  const scroll = box.querySelector("[data-scroll]");
  const sheet = box.querySelector(".compare-sheet");
  const after = box.querySelector(".compare-after");
  const range = box.querySelector(".compare-range");
  const tools = box.querySelector(".compare-tools");
  const help = box.querySelector("[data-zoom-help]");

  function draw() {
    const share = Number(range.value) / 100;
    const window_ = view.getBoundingClientRect();
    const paper = sheet.getBoundingClientRect();
    // In "Fit" the line runs over the picture alone, not over the grey beside it.
    const full = box.classList.contains("full");
    const left = full ? 0 : paper.left - window_.left;
    const span = full ? window_.width : paper.width;
    const line = left + share * span;
    box.style.setProperty("--left", `${left}px`);
    box.style.setProperty("--span", `${span}px`);
    box.style.setProperty("--split", `${line}px`);
    box.style.setProperty("--cut", `${Math.max(0, Math.min(paper.width, line + window_.left - paper.left))}px`);
    range.setAttribute("aria-valuetext", `${Math.round(100 * share)} % before, ${Math.round(100 - 100 * share)} % after`);
  }

  function zoom(full) {
    box.classList.toggle("full", full);
    for (const button of tools.querySelectorAll("[data-zoom]")) {
      button.setAttribute("aria-pressed", String((button.dataset.zoom === "full") === full));
    }
    const whole = SHOWABLE.includes(box.dataset.format) && width * height <= MAX_PIXELS;
    help.textContent = !full
      ? "Drag the line to compare."
      : whole
        ? "Drag the picture to move it, the line to compare."
        : "Shown from a smaller copy; the download has every pixel.";
    if (full) {
      scroll.tabIndex = 0;
      scroll.setAttribute("role", "group");
      scroll.setAttribute("aria-label", "The picture at 100 %; arrow keys move it");
      scroll.scrollLeft = 0.5 * (scroll.scrollWidth - scroll.clientWidth);
      scroll.scrollTop = 0.5 * (scroll.scrollHeight - scroll.clientHeight);
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
  // At 100 % only the line takes the pointer; once held it must not lose it to the picture underneath.
  range.addEventListener("pointerdown", () => range.classList.add("held"));
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => range.classList.remove("held"));
  scroll.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(view);
  tools.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-zoom]");
    if (button) zoom(button.dataset.zoom === "full");
  });

  let from = null;
  scroll.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || !box.classList.contains("full")) return;
    from = { x: event.clientX + scroll.scrollLeft, y: event.clientY + scroll.scrollTop };
    scroll.setPointerCapture(event.pointerId);
    event.preventDefault();
    scroll.focus({ preventScroll: true });
  });
  scroll.addEventListener("pointermove", (event) => {
    if (from) scroll.scrollTo(from.x - event.clientX, from.y - event.clientY);
  });
  for (const end of ["pointerup", "pointercancel"]) scroll.addEventListener(end, () => (from = null));
  draw();
}

const all = () => document.querySelectorAll("[data-compare]").forEach(compare);
document.addEventListener("htmx:load", all); // the picture may become ready while the page is open
all();
