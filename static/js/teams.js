// Another team is switched to at once; without this the form has a button.

for (const form of document.querySelectorAll(".team-switch")) {
  form.addEventListener("change", () => form.requestSubmit());
}
