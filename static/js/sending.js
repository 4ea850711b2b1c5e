// Sending the form with htmx: how far the upload is, and what to say when it doesn't arrive. The page stays as it
// is after a failure, so that nobody has to choose files and settings twice.

export function watchSending(form, { onsent, onleft, onend }) {
  const upload = document.getElementById("upload");
  const bar = document.getElementById("upload-bar");
  const text = upload.querySelector("[data-upload-text]");
  let leaving = false;

  function say(message) {
    const problems = document.getElementById("problems");
    const line = document.createElement("p");
    line.textContent = message;
    problems.replaceChildren(line);
    problems.scrollIntoView({ block: "nearest" });
  }

  function done() {
    if (leaving) return;
    upload.hidden = true;
    onend();
  }

  // What follows is for the offers' form too, which comes and goes beside this one.
  const page = document.body;

  // Signing in again in another tab changes the token that this page came with.
  page.addEventListener("htmx:configRequest", ({ detail }) => {
    const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
    if (token) detail.parameters.csrfmiddlewaretoken = token[1];
  });

  form.addEventListener("htmx:beforeRequest", () => {
    leaving = false;
    document.getElementById("problems").replaceChildren();
    bar.value = 0;
    text.textContent = "Sending…";
    upload.hidden = false;
  });

  form.addEventListener("htmx:xhr:progress", ({ detail }) => {
    // The answer reports its own progress through the same event, once the upload is through.
    if (!detail.lengthComputable || bar.value >= 100) return;
    bar.value = (100 * detail.loaded) / detail.total;
    text.textContent = bar.value < 100 ? `Sending… ${Math.round(bar.value)} %` : "Checking the pictures…";
  });

  form.addEventListener("htmx:beforeOnLoad", ({ detail: { xhr } }) => {
    leaving = Boolean(xhr.getResponseHeader("HX-Redirect"));
    if (leaving) text.textContent = "On their way";
  });

  page.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    // A session that ran out ends in the sign-in page. Swapping that in would lose everything chosen.
    if (xhr.status < 300 && !xhr.responseText.includes('id="problems"')) {
      event.detail.shouldSwap = false;
      say("You have been signed out. Sign in again in another tab, then send from here; nothing chosen is lost.");
      return;
    }
    // Before the answer is shown, because whatever changes the chosen files clears what is said about them.
    const answer = new DOMParser().parseFromString(xhr.responseText, "text/html").getElementById("problems");
    if (answer?.dataset.sent) onsent(answer.dataset.sent.split(" "));
  });

  form.addEventListener("htmx:afterRequest", done);
  // The offers come last in the answer. Whoever pressed the button at the page's end has to see them.
  page.addEventListener("htmx:afterSettle", ({ detail: { elt } }) => {
    const title = document.getElementById("offers-title");
    if (!title || elt.id !== "problems") return;
    title.focus({ preventScroll: true });
    title.scrollIntoView({ block: "start" });
  });
  page.addEventListener("htmx:sendError", () => say("The desk could not be reached. Check the connection and send again; nothing was charged."));
  page.addEventListener("htmx:timeout", () => say("The desk took too long to answer. Look in the history before you send again."));
  page.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
    const known = {
      403: "This page was open for too long. Reload it and send again; nothing was charged.",
      413: "These pictures are too large to be sent together. Send fewer at a time.",
      429: "That was a lot at once. Wait a minute, then send again.",
      503: "The desk can’t take pictures right now. Try again in a minute; nothing was charged.",
    };
    say(known[xhr.status] ?? "Something went wrong on our side. Look in the history before you send again.");
  });

  // "Back" may bring this page as it was left; what was sent must not be there to be sent again.
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    if (leaving) onleft();
    leaving = false;
    done();
  });

}
