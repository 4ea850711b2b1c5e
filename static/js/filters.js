// A changed filter applies at once; without this the form has a button.

const form = document.getElementById("filters");

form?.addEventListener("change", () => {
  const address = new URL(form.action);
  for (const [key, value] of new FormData(form)) if (value) address.searchParams.set(key, value);
  location.assign(address);
});
