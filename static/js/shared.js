// Deciding by a share link: the name is typed once, and kept in this tab alone.

const KEY = "guest";
const form = document.querySelector("form[data-guest]");
if (form) {
  const name = form.elements.name;
  try {
    name.value ||= sessionStorage.getItem(KEY) ?? "";
  } catch {
    // A browser that keeps nothing: it is typed again.
  }
  form.addEventListener("submit", () => {
    try {
      sessionStorage.setItem(KEY, name.value);
    } catch {
      // As above.
    }
  });
}
