// What can be the matter with a chosen picture, in words. The states `failed`, `sending` and `waiting` are of files that
// are still on this side; the others are the server's.

import { number } from "./words.js";

export const STATES = {
  // state: [word in its row, how many of them in a sentence (one, several), place in the list]
  failed: ["Didn’t arrive", "didn’t arrive", "didn’t arrive", 0],
  unreadable: ["Can’t be read", "can’t be read", "can’t be read", 1],
  empty: ["Empty file", "is empty", "are empty", 1],
  too_large: ["Too large", "is too large", "are too large", 1],
  refused: ["Not possible", "can’t be enlarged like this", "can’t be enlarged like this", 1],
  duplicate: ["Duplicate", "is a duplicate", "are duplicates", 2],
  made: ["Made already", "is made already, free", "are made already, free", 3],
  sending: ["Uploading", "is still uploading", "are still uploading", 4],
  waiting: ["Waiting", "is still uploading", "are still uploading", 5],
  fetch: ["From the web", "will be sent", "will be sent", 6],
  ready: ["Will be sent", "will be sent", "will be sent", 7],
  fitted: ["Only fitted, free", "is large enough, only fitted", "are large enough, only fitted", 7],
};

/** The ways to look at the list, in the order of the buttons: which states each shows. */
export const VIEWS = {
  all: ["All", Object.keys(STATES)],
  send: ["Will be sent", ["ready", "fetch"]],
  fitted: ["Only fitted", ["fitted"]],
  unreadable: ["Can’t be read", ["unreadable"]],
  empty: ["Empty", ["empty"]],
  too_large: ["Too large", ["too_large"]],
  refused: ["Not possible", ["refused"]],
  duplicate: ["Duplicates", ["duplicate"]],
  made: ["Made already", ["made"]],
  failed: ["Didn’t arrive", ["failed"]],
  uploading: ["Uploading", ["sending", "waiting"]],
};

export const WRONG = ["failed", "unreadable", "empty", "too_large", "refused"];

export const wordOf = (state) => (STATES[state] ?? STATES.refused)[0];
export const placeOf = (state) => (STATES[state] ?? STATES.refused)[3];

/** How many there are in each view. */
export function countViews(rows) {
  const states = {};
  for (const { state } of rows) states[state] = (states[state] ?? 0) + 1;
  return Object.fromEntries(
    Object.entries(VIEWS).map(([view, [, of]]) => [view, of.reduce((sum, state) => sum + (states[state] ?? 0), 0)]),
  );
}

/** "57 will be sent, 2 can’t be read, 1 is a duplicate" */
export function sentence(counts) {
  const parts = [];
  for (const [view, [, [state]]] of Object.entries(VIEWS)) {
    if (view === "all" || !counts[view]) continue;
    parts.push(`${number(counts[view])} ${STATES[state][counts[view] === 1 ? 1 : 2]}`);
  }
  return parts.join(", ");
}
