// Keeps unfinished pictures moving: asks the server about them while someone is looking, and only then. htmx brings
// the answer in; where nothing but the progress has changed, the old elements are kept, so that focus stays, pictures
// don't flicker and the bar can glide.

const EVERY = 2000;
const SLOWLY = 10000; // nothing unfinished here, but a colleague may send something

const poller = document.getElementById("poller");
const said = document.getElementById("live-said");
const words = { Done: "is ready", Error: "could not be enlarged" };
let last = Date.now();

function pause() {
  // A batch goes on, even if none of its pictures on this page does.
  if (document.querySelector("[data-upscale-id] [name=id], [data-batch-open]")) return EVERY;
  return document.querySelector("#history[data-first]") ? SLOWLY : Infinity;
}

function tick() {
  if (document.visibilityState !== "visible" || Date.now() - last < pause()) return;
  last = Date.now();
  htmx.trigger(poller, "refresh");
}

function keep(old, fresh) {
  old.dataset.progress = fresh.dataset.progress;
  for (const part of old.querySelectorAll("[data-live]")) {
    const news = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!news) continue;
    if (part.matches("progress")) part.value = news.getAttribute("value");
    else if (part.textContent !== news.textContent) part.textContent = news.textContent;
  }
}

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const fresh = fragment.firstElementChild;
  if (["engine-banner", "worker-banner"].includes(target.id) && target.dataset.said === fresh?.dataset.said) {
    event.detail.shouldSwap = false; // else it would be read out again and again
    return;
  }
  if (!fresh) return;
  if (!target.dataset.upscaleId) {
    const isSame = target.dataset.shape && target.dataset.shape === fresh.dataset.shape;
    if (isSame || target.contains(document.activeElement)) event.detail.shouldSwap = false;
    return;
  }
  if (target.dataset.shape === fresh.dataset.shape) {
    keep(target, fresh);
    event.detail.shouldSwap = false;
    return;
  }
  const news = words[fresh.dataset.status];
  if (said && news && target.dataset.status !== fresh.dataset.status) {
    said.textContent = `${fresh.dataset.name || "A picture"} ${news}.`;
  }
});

if (poller) {
  setInterval(tick, 500);
  document.addEventListener("visibilitychange", tick);
}
