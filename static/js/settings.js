// The settings of a model: what makes no difference is put away, and a choice that a cheaper model would give too says
// so. The engine's page says when, as conditions in JSON: a list of maps, each from a setting to its value.

const form = document.getElementById("submit-form");

function valueOf(name) {
  const [control, ...others] = form.querySelectorAll(`[name="${name}"]`);
  if (!control) return undefined;
  if (control.type === "checkbox") return control.checked;
  if (control.type === "range") return Number(control.value);
  return [control, ...others].find((radio) => radio.checked)?.value;
}

const holds = (conditions) =>
  JSON.parse(conditions).some((when) => Object.entries(when).every(([name, value]) => valueOf(name) === value));

function refresh() {
  for (const setting of form.querySelectorAll("[data-idle]")) setting.hidden = holds(setting.dataset.idle);
  for (const bargain of form.querySelectorAll("[data-bargain]")) bargain.hidden = !holds(bargain.dataset.bargain);
}

form.addEventListener("input", refresh);
form.addEventListener("click", ({ target }) => {
  const model = target.closest("[data-take]")?.dataset.take;
  if (!model) return;
  const radio = document.getElementById(`model-${model}`);
  radio.click();
  radio.focus(); // the button is out of sight now
});
// A reload brings earlier choices back after the page has been read.
addEventListener("pageshow", refresh);
refresh();
