// The backup that is being made.

import { html, nothing } from "./lit-html.js";
import { facts } from "./states.js";

// What runs beyond the last backup's size is nearly done, but it is not done.
const NEARLY = 0.95;

/** How far a running backup is: only what is known, and never less than was shown before. */
export class Progress {
  #id = null;
  /** Records so far. */
  records = 0;
  /** 0 to 1, or null where nothing tells how much there is to do. */
  share = null;
  /** True where the share is reckoned from the size of the last backup. */
  reckoned = false;

  /** Learn from an answer of GET /backups. */
  take({ running, last_ready: last }) {
    if (running?.id !== this.#id) {
      this.#id = running?.id ?? null;
      this.records = 0;
      this.share = null;
    }
    if (!running) {
      return;
    }
    const { units, units_done: done, records } = running.progress;
    this.records = Math.max(this.records, records);
    this.reckoned = !(units > 1);
    const share = units > 1 ? done / units : this.#reckon(last?.progress.records);
    if (share !== null) {
      this.share = Math.max(this.share ?? 0, share);
    }
  }

  #reckon(lastRecords) {
    return lastRecords > 0 ? Math.min(this.records / lastRecords, NEARLY) : null;
  }
}

export function inProgress(running, progress, overview, busy, forms, actions) {
  const { units, units_done: done } = running.progress;
  const known = progress.share !== null;
  const figures = [
    running.state === "running" && forms.many("running.records", progress.records),
    units > 1 && forms.say("running.units", { done: forms.count(done), all: forms.count(units) }),
    known && progress.reckoned && forms.say("running.about", { share: forms.percent(progress.share) }),
  ];
  return html`<section class="card" aria-labelledby="state">
    <h2 id="state" tabindex="-1">${forms.say(`state.${running.state}`)}</h2>
    <progress aria-label=${forms.say("running.label")} max="1"
      value=${known ? progress.share : nothing}></progress>
    <p class="figures">${figures.filter(Boolean).join(" · ")}</p>
    <p>${forms.say("state.mail_will_come")}</p>
    ${facts(forms, [
      ["requested", forms.moment(running.requested_at)],
      ["requested_by", forms.name(running.requested_by.name)],
    ])}
    ${overview.may_manage
      ? html`<p><button aria-disabled=${!!busy} @click=${() => actions.ask("cancel", running)}>
          ${forms.say("actions.cancel")}
        </button></p>`
      : nothing}
  </section>`;
}
