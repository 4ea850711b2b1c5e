// A batch's end, told where people are: in the tab's title, and as a notification where they allow it. live.js brings
// the figures in.

const name = document.getElementById("batch-counts")?.dataset.name ?? "";
const number = new Intl.NumberFormat("en-GB");
let wasOpen = isOpen();

function counts() {
  return document.getElementById("batch-counts");
}

function isOpen() {
  return Boolean(counts()?.matches("[data-batch-open]"));
}

function sum() {
  const { done, failed } = counts().dataset;
  return `${number.format(done)} ready${Number(failed) ? `, ${number.format(failed)} failed` : ""}`;
}

function show() {
  const { ended, total } = counts().dataset;
  document.title = `${isOpen() ? `${ended}/${total}` : sum()} · ${name} · Upscaler`;
  if (wasOpen && !isOpen()) {
    document.getElementById("live-said").textContent = `The batch has ended: ${sum()}.`;
    if (window.Notification?.permission === "granted" && document.visibilityState !== "visible") {
      new Notification(name, { body: `${sum()}.`, tag: location.pathname });
    }
  }
  wasOpen = isOpen();
  const button = document.querySelector("[data-notify]");
  if (button) button.hidden = !("Notification" in window) || Notification.permission !== "default";
}

document.addEventListener("click", async ({ target }) => {
  if (!target.closest("[data-notify]")) return;
  await Notification.requestPermission();
  show();
});
document.addEventListener("htmx:oobAfterSwap", ({ target }) => target.id === "batch-counts" && show());
if (counts()) show();
