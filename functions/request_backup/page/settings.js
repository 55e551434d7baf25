// The account's one setting: the text encoding of the CSV files.

import { html, nothing } from "./lit-html.js";

export function settings(state, forms, actions) {
  const { overview, editing, parts } = state;
  return html`<section class="card" aria-labelledby="settings">
    <h2 id="settings">${forms.say("settings.title")}</h2>
    ${editing && overview.may_manage
      ? parts.chooser.chooser(state, forms, actions)
      : html`<div class="setting">
          <span class="label" id="encoding-label">${forms.say("settings.encoding")}</span>
          <span>${forms.encoding(overview.account.encoding)}</span>
          ${overview.may_manage
            ? html`<button class="quiet" aria-describedby="encoding-label" @click=${actions.edit}>
                ${forms.say("actions.edit")}
              </button>`
            : nothing}
        </div>`}
  </section>`;
}
