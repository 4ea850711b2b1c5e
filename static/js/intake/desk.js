// Asking the desk: one call, its answer or what became of it. XMLHttpRequest, because fetch can't say how far an
// upload is.

export class SignedOut extends Error {}
export class Cancelled extends Error {}

/** Nothing came through, or the desk can't just now: worth another try after `pause` seconds. */
export class Unreachable extends Error {
  constructor(message, { pause = 0, status = 0 } = {}) {
    super(message);
    Object.assign(this, { pause, status });
  }
}

/** The desk said no; the message is for people. */
export class Refused extends Error {
  constructor(message, status, body) {
    super(message);
    Object.assign(this, { status, body });
  }
}

const MUTE = {
  403: "This page was open for too long. Reload it: what is chosen stays.",
  404: "What you chose isn’t there any more. It is kept for a week, for the person who chose it. Reload the page.",
  413: "This file is larger than the desk takes.",
};

/** Signing in again in another tab changes the token that this page came with. */
function token() {
  const cookie = document.cookie.match(/(?:^|; )(?:__Host-|__Secure-)?csrftoken=([^;]+)/);
  return cookie?.[1] ?? document.querySelector("[name=csrfmiddlewaretoken]").value;
}

function secondsIn(header) {
  if (!header) return 0;
  return Math.max(0, /^\d+$/.test(header) ? Number(header) : (new Date(header) - Date.now()) / 1000) || 0;
}

function judge(request) {
  const { status } = request;
  const isJson = (request.getResponseHeader("Content-Type") ?? "").includes("json");
  const body = isJson ? JSON.parse(request.responseText) : {};
  const message = body.message ?? MUTE[status];
  if (status === 401 || request.responseURL.includes("/accounts/login/")) {
    throw new SignedOut(message ?? "You were signed out. Sign in in another tab, then go on: nothing is lost.");
  }
  if (status === 429 || status === 408 || status >= 500 || (status < 300 && !isJson)) {
    const pause = secondsIn(request.getResponseHeader("Retry-After"));
    throw new Unreachable(message ?? "The desk can’t answer just now.", { pause, status });
  }
  if (status >= 300) throw new Refused(message ?? "Something went wrong on our side. Try it once more.", status, body);
  return body;
}

const PATIENCE = 120_000; // ms for all but uploads: nobody should look at a page that waits in silence for ever

/** The answer's JSON. With `data`, a FormData, it is a POST. Raises one of the errors above. */
export function ask(address, { data, onprogress, signal } = {}) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new Cancelled());
      return;
    }
    const request = new XMLHttpRequest();
    request.open(data ? "POST" : "GET", address);
    request.setRequestHeader("Accept", "application/json");
    if (data) request.setRequestHeader("X-CSRFToken", token());
    if (onprogress) request.upload.onprogress = ({ loaded, total }) => onprogress(loaded, total);
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    if (!onprogress) {
      const late = new Unreachable("The desk has not answered for two minutes. Try it once more.");
      const timer = setTimeout(() => {
        reject(late);
        request.abort();
      }, PATIENCE);
      request.onloadend = () => clearTimeout(timer);
    }
    request.onload = () => {
      try {
        resolve(judge(request));
      } catch (error) {
        reject(error);
      }
    };
    request.onerror = () => reject(new Unreachable("The desk can’t be reached."));
    request.onabort = () => reject(new Cancelled());
    request.send(data);
  });
}

export function fields(values) {
  const data = new FormData();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) data.append(name, one);
  }
  return data;
}
