// The page of tokens: copy a new one, and make no second one by a second press or a reload.

const made = document.querySelector("[data-made]");
if (made) {
  // A reload then asks for the page again, instead of offering to send the form again.
  history.replaceState(null, "", location.href);
  const said = made.querySelector("[data-copied]");
  const field = made.querySelector("input");
  made.focus();
  made.querySelector("[data-copy]").addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      said.textContent = "Copied.";
    } catch {
      // No clipboard without HTTPS.
      said.textContent = document.execCommand("copy") ? "Copied." : "It is selected: copy it with Ctrl+C or ⌘C.";
    }
  });
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => (form.querySelector("[type=submit]").disabled = true));
}
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form[data-once] [type=submit]")) button.disabled = false;
});
