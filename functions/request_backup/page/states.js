// The account's backup now: what runs, the last one that can be fetched, and the way to a new one.

import { html, nothing } from "./lit-html.js";

export function states(state, progress, forms, actions) {
  const { overview, busy, parts } = state;
  const { running, last_ready: ready, why_not: whyNot } = overview;
  const slug = whyNot?.type.split(":").at(-1);
  return html`
    ${running ? parts.running.inProgress(running, progress, overview, busy, forms, actions) : nothing}
    ${ready ? readyToDownload(ready, running, overview, busy, forms, actions) : nothing}
    ${!running && !ready ? nothingThere(overview, forms) : nothing}
    ${overview.may_request
      ? html`<p><button class=${ready ? nothing : "main"} aria-disabled=${!!busy} @click=${actions.request}>
          ${forms.say("actions.request")}
        </button></p>`
      : whyNoRequest(slug, whyNot, forms)}
  `;
}

function readyToDownload(ready, running, overview, busy, forms, actions) {
  const created = forms.say("state.created", { date: forms.date(ready.created_at) });
  return html`<section class="card" aria-labelledby=${running ? "last" : "state"}>
    ${running
      ? html`<h2 id="last">${forms.say("state.last")}</h2>`
      : html`${ended(overview, forms)}<h2 id="state" tabindex="-1">${forms.say("state.ready")}</h2>`}
    <p>${created}</p>
    ${ready.mail === "not_sent" ? html`<p class="notice">${forms.say("state.mail_not_sent")}</p>` : nothing}
    ${ready.file.replaced ? html`<p>${forms.many("state.replaced", ready.file.replaced)}</p>` : nothing}
    ${overview.may_manage
      ? html`<p class="buttons">
          <button class=${running ? nothing : "main"} aria-disabled=${!!busy} @click=${() => actions.download(ready)}>
            ${forms.say("actions.download", { size: forms.size(ready.file.bytes) })}
          </button>
          <button aria-disabled=${!!busy} @click=${() => actions.ask("delete", ready)}>
            ${forms.say("actions.delete")}
          </button>
        </p>`
      : nothing}
    ${facts(forms, [
      ["file", ready.file.name],
      ["size", forms.size(ready.file.bytes)],
      ["records", forms.count(ready.progress.records)],
      ["requested", forms.moment(ready.requested_at)],
      ["requested_by", forms.name(ready.requested_by.name)],
      ["deleted_on", forms.moment(ready.expires_at)],
    ])}
  </section>`;
}

function nothingThere(overview, forms) {
  const newest = overview.history[0];
  return html`<section class="card" aria-labelledby="state">
    ${newest
      ? ended(overview, forms, true)
      : html`<h2 id="state" tabindex="-1">${forms.say("state.none")}</h2>`}
    ${overview.may_request ? html`<p>${forms.say("state.hint")}</p>` : nothing}
  </section>`;
}

/** How the newest backup ended, where it did not end well. */
function ended({ history }, forms, heading = false) {
  const newest = history[0];
  if (!newest || newest.state === "ready") {
    return nothing;
  }
  const text = endOf(newest, forms);
  const more =
    newest.state === "failed"
      ? html`<p>${forms.say(`reasons.${newest.failure.reason}`)} ${forms.say("ended.comfort")}</p>
          <p class="small">${forms.say("facts.reference")} ${newest.id}</p>`
      : nothing;
  return heading
    ? html`<h2 id="state" tabindex="-1">${text}</h2>${more}`
    : html`<div class="notice ${newest.state === "failed" ? "problem" : ""}"><p>${text}</p>${more}</div>`;
}

/** One sentence about how a backup ended. */
export function endOf(backup, forms) {
  const date = (moment) => (moment ? forms.date(moment) : "");
  return forms.say(backup.state === "ready" ? "state.ready" : `ended.${backup.state}`, {
    requested: date(backup.requested_at),
    created: date(backup.created_at),
    expired: date(backup.expires_at),
    deleted: date(backup.deleted_at),
    name: forms.name(backup.ended_by?.name ?? ""),
  });
}

function whyNoRequest(slug, whyNot, forms) {
  switch (slug) {
    case "plan-without-backups":
      return html`<section class="card" aria-labelledby="plan">
        <h2 id="plan">${forms.say("plan.title")}</h2>
        <p>${forms.problem(slug)}</p>
        <p>${forms.say("plan.contact")} ${contact(whyNot.contact)}</p>
      </section>`;
    case "backup-running":
      return nothing; // said above
    default:
      return html`<p class="notice">
        ${forms.problem(slug)}
      </p>`;
  }
}

/** An operator's address of any kind: a link where it is one that a browser may follow. */
function contact(text) {
  if (/^https:\/\/\S+$/.test(text)) {
    return html`<a href=${text} rel="noreferrer">${text}</a>`;
  }
  if (/^[^@\s<>]+@[^@\s<>]+$/.test(text)) {
    return html`<a href="mailto:${text}">${text}</a>`;
  }
  return html`<strong>${text}</strong>`;
}

export function facts(forms, lines) {
  return html`<dl>
    ${lines.map(([name, value]) => html`<div><dt>${forms.say(`facts.${name}`)}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}
