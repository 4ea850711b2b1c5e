// Shows times in the reader's own zone. The server wrote them in the desk's, with its name, for whoever has no scripts.

const LANGUAGE = "en-GB"; // the page's, so that "March" stays "March"
const zone = new Intl.DateTimeFormat(LANGUAGE, { timeZoneName: "short" });
const clock = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const date = (month) => new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month, year: "numeric" });
const longDate = date("long");
const shortDate = date("short");

const zoneAt = (time) => zone.formatToParts(time).find((part) => part.type === "timeZoneName").value;
const long = (time) => `${longDate.format(time)}, ${clock.format(time)} ${zoneAt(time)}`;
const styles = {
  long,
  short: (time) => `${shortDate.format(time)}, ${clock.format(time)}`,
  clock: (time) => `${clock.format(time)} ${zoneAt(time)}`,
  day: (time) => shortDate.format(time),
};

function show(element) {
  const time = new Date(element.dateTime);
  if (Number.isNaN(time.getTime())) return;
  element.title = long(time);
  const style = styles[element.dataset.time];
  if (style) element.textContent = style(time);
}

function all(root) {
  if (root.matches?.("time[datetime]")) show(root);
  root.querySelectorAll("time[datetime]").forEach(show);
}

all(document);
// What htmx brings in, be it swapped by its place or by its id.
document.addEventListener("htmx:load", ({ detail }) => all(detail.elt));
