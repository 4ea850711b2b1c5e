// A changed filter applies at once; without this the form has a button. What is typed waits for Enter, or for the field
// to be left: a date is one long before it is the one that is meant.

const form = document.getElementById("filters");

function apply() {
  const address = new URL(form.action);
  for (const [key, value] of new FormData(form)) if (value) address.searchParams.set(key, value);
  if (address.href !== location.href) location.assign(address);
}

form?.addEventListener("change", ({ target }) => {
  if (target.matches("select")) apply();
});
form?.addEventListener("focusout", ({ target }) => {
  if (target.matches("input") && target.value !== target.defaultValue && target.type !== "search") apply();
});
form?.addEventListener("submit", (event) => {
  // Without the fields that nobody has filled in.
  event.preventDefault();
  apply();
});
