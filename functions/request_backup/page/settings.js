// What the account has chosen: the text encoding of the CSV files, and when backups are made by themselves.

import { html, nothing } from "./lit-html.js";

export function settings(state, forms, actions) {
  const { overview, editing, parts } = state;
  const { account, schedule } = overview;
  const row = (part, label, value, edit) =>
    editing === part && overview.may_manage
      ? parts[part][part](state, forms, actions)
      : html`<div class="setting">
          <span class="label" id="${part}-label">${label}</span>
          <span>${value}</span>
          ${overview.may_manage
            ? html`<button class="quiet" aria-describedby="${part}-label" @click=${edit}>${forms.say("actions.edit")}</button>`
            : nothing}
        </div>`;
  const next = schedule && forms.say(`settings.${schedule.every}`, { moment: forms.moment(schedule.next_at) });
  return html`<section class="card" aria-labelledby="settings">
    <h2 id="settings">${forms.say("settings.title")}</h2>
    ${row("chooser", forms.say("settings.encoding"), forms.encoding(account.encoding), actions.edit)}
    ${row("schedule", forms.say("settings.schedule"), next ?? forms.say("settings.no_schedule"), actions.plan)}
  </section>`;
}
