// What hands do on the pictures: press, drag, pinch, wheel. Says only what was meant; `acts` does it.

const STILL = 4; // pixels that a hand may move in a click
const LINES = 16; // pixels of a line that a wheel turns by
const SPEED = 0.0015;
const TWICE = 350; // milliseconds in which a second click belongs to the first
const PINCH_SPEED = 0.01; // of two fingers on a trackpad, which comes as a wheel with Ctrl

/**
 * `acts.grab(event)` says what a drag from there moves: "line", "picture" or nothing. `acts.tap(event)`: a click.
 * `acts.hover(event)`: where the pointer is, null once it is gone.
 */
export function listen(stage, acts) {
  const held = new Map();
  let press = null;
  let pinch = null;
  let tapped = -TWICE;

  const between = () => {
    const [a, b] = [...held.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)) };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button || held.size >= 2 || event.target.closest("a, button")) return;
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    stage.setPointerCapture(event.pointerId);
    if (event.pointerType === "mouse") event.preventDefault();
    if (held.size === 1) {
      press = { x: event.clientX, y: event.clientY, at: { x: event.clientX, y: event.clientY }, moves: acts.grab(event), isStill: true };
    } else {
      press = null;
      pinch = between();
    }
  });
  stage.addEventListener("pointermove", (event) => {
    if (!held.has(event.pointerId)) return acts.hover(event);
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pinch && held.size === 2) {
      const now = between();
      acts.pan(now.x - pinch.x, now.y - pinch.y);
      acts.zoomBy(now.apart / pinch.apart, now);
      pinch = now;
      return undefined;
    }
    if (!press) return undefined;
    if (Math.hypot(event.clientX - press.x, event.clientY - press.y) > STILL) press.isStill = false;
    if (press.isStill) return undefined;
    if (press.moves === "line") acts.line(event);
    else if (press.moves === "picture") acts.pan(event.clientX - press.at.x, event.clientY - press.at.y);
    press.at = { x: event.clientX, y: event.clientY };
    if (event.pointerType !== "mouse") acts.hover(event);
    return undefined;
  });
  const end = (event) => {
    if (!held.delete(event.pointerId)) return;
    pinch = null;
    if (event.type === "pointerup" && press?.isStill && event.timeStamp - tapped > TWICE) {
      tapped = event.timeStamp;
      acts.tap(event);
    }
    press = null;
    acts.release();
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
  stage.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && acts.hover(null));
  // A second finger means these pictures, not the page.
  for (const kind of ["touchstart", "touchmove"]) {
    stage.addEventListener(kind, (event) => event.touches.length > 1 && event.cancelable && event.preventDefault(), { passive: false });
  }
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!acts.takesWheel(event)) return;
      event.preventDefault();
      const turned = event.deltaY * (event.deltaMode === 1 ? LINES : event.deltaMode === 2 ? stage.clientHeight : 1);
      const speed = event.ctrlKey && Math.abs(turned) < 50 ? PINCH_SPEED : SPEED;
      acts.zoomBy(Math.exp(-turned * speed), { x: event.clientX, y: event.clientY });
    },
    { passive: false },
  );
}
