// Numbers and counts as the page says them.

const whole = new Intl.NumberFormat("en-GB");
const oneDigit = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });

export const number = (count) => whole.format(count);
export const plural = (count, word, words = `${word}s`) => `${number(count)} ${count === 1 ? word : words}`;
export const pixels = (width, height) => `${width} × ${height}`;
export const when = (iso) => moment.format(new Date(iso));

export function fileSize(bytes) {
  if (bytes < 1e5) return `${Math.max(bytes && 1, Math.round(bytes / 1e3))} KB`;
  return bytes < 1e9 ? `${oneDigit.format(bytes / 1e6)} MB` : `${oneDigit.format(bytes / 1e9)} GB`;
}

export function duration(seconds) {
  if (seconds < 50) return "less than a minute";
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${plural(minutes, "minute")}`;
  return `about ${oneDigit.format(minutes / 60)} hours`;
}

/** Only a real change, so that nothing is read out twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
