// The cost card: what will be sent, what it costs and leaves, how long it takes; and the button.

import { sentence } from "./states.js";
import { duration, number, plural, setText } from "./words.js";

export class Cost {
  constructor(card, { button, team }) {
    Object.assign(this, { card, button, team });
    this.part = Object.fromEntries([...card.querySelectorAll("[data-cost]")].map((part) => [part.dataset.cost, part]));
  }

  /** `price` is of one picture. Without a quote nothing is chosen, or what is chosen is being looked at anew. */
  show({ counts, quote, price, isBusy }) {
    const { sum, counted, left, time } = this.part;
    const uploading = counts.uploading > 0;
    const total = quote?.total ?? counts.send + counts.fitted;
    const fitted = quote?.fitted ?? counts.fitted;
    const paid = total - fitted;
    const refusal = quote?.refusal ?? "";
    setText(counted, counts.all ? `${sentence(counts)}.` : "");
    setText(
      sum,
      counts.all
        ? total
          ? this.#sum(paid, price, quote)
          : "Nothing to send yet"
        : `${plural(price, "credit")} for each picture`,
    );
    setText(left, refusal || this.#left(quote, total));
    setText(time, total && quote?.seconds != null && !refusal ? `Ready in ${duration(quote.seconds)}` : "");
    this.card.classList.toggle("short", Boolean(refusal));
    setText(this.button, total > 0 && counts.all ? this.#deed(paid, fitted) : "Enlarge");
    this.button.disabled = Boolean(counts.all) && (isBusy || uploading || !quote || !total || Boolean(refusal));
    this.card.toggleAttribute("data-settled", Boolean(quote) && !uploading && !isBusy);
  }

  #sum(paid, price, quote) {
    if (!paid) return "Nothing to pay";
    return `${plural(paid, "picture")} × ${plural(price, "credit")} = ${plural(quote?.credits ?? paid * price, "credit")}`;
  }

  #deed(paid, fitted) {
    if (!paid) return `Fit ${plural(fitted, "picture")}, free`;
    return `Enlarge ${plural(paid, "picture")}${fitted ? `, fit ${number(fitted)}` : ""}`;
  }

  #left(quote, total) {
    if (!quote) return this.team;
    if (!total) return `${plural(quote.balance, "credit")} in your team’s balance`;
    const { budget } = quote;
    const team = `${number(quote.balance_after)} left after this`;
    return budget ? `${team}; ${number(budget.after)} of ${budget.name}` : team;
  }
}
