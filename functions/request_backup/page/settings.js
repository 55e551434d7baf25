// The account's one setting: the text encoding of the CSV files.

import { html, nothing } from "./lit-html.js";

export function settings({ overview, editing, busy }, forms, actions) {
  const { encoding, encodings } = overview.account;
  return html`<section class="card" aria-labelledby="settings">
    <h2 id="settings">${forms.say("settings.title")}</h2>
    ${editing && overview.may_manage
      ? chooser(encoding, encodings, busy, forms, actions)
      : html`<div class="setting">
          <span class="label" id="encoding-label">${forms.say("settings.encoding")}</span>
          <span>${named(encoding, forms)}</span>
          ${overview.may_manage
            ? html`<button class="quiet" aria-describedby="encoding-label" @click=${actions.edit}>
                ${forms.say("actions.edit")}
              </button>`
            : nothing}
        </div>`}
  </section>`;
}

function chooser(encoding, encodings, busy, forms, actions) {
  const save = (event) => {
    event.preventDefault();
    actions.choose(new FormData(event.target).get("encoding"));
  };
  return html`<form @submit=${save}>
    <label for="encoding">${forms.say("settings.encoding")}</label>
    <select id="encoding" name="encoding" aria-describedby="encoding-hint">
      ${encodings.map(
        (name) => html`<option value=${name} ?selected=${name === encoding}>${named(name, forms)}</option>`,
      )}
    </select>
    <p class="small" id="encoding-hint">${forms.say("settings.hint")}</p>
    <p class="buttons">
      <button class="main" aria-disabled=${!!busy}>${forms.say("actions.save")}</button>
      <button type="button" @click=${actions.leave}>${forms.say("actions.leave")}</button>
    </p>
  </form>`;
}

/** `UTF-8`, with what it is good for where the name alone says nothing. */
export function named(encoding, forms) {
  return forms.words.encodings[encoding] ?? encoding;
}
