// Choosing another text encoding.

import { html } from "./lit-html.js";

export function chooser({ overview, busy }, forms, actions) {
  const { encoding, encodings } = overview.account;
  const save = (event) => {
    event.preventDefault();
    actions.choose(new FormData(event.target).get("encoding"));
  };
  return html`<form @submit=${save}>
    <label for="encoding">${forms.say("settings.encoding")}</label>
    <select id="encoding" name="encoding" aria-describedby="encoding-hint">
      ${encodings.map(
        (name) => html`<option value=${name} ?selected=${name === encoding}>${forms.encoding(name)}</option>`,
      )}
    </select>
    <p class="small" id="encoding-hint">${forms.say("chooser.hint")}</p>
    <p class="buttons">
      <button class="main" aria-disabled=${!!busy}>${forms.say("chooser.save")}</button>
      <button type="button" @click=${actions.leave}>${forms.say("chooser.leave")}</button>
    </p>
  </form>`;
}
