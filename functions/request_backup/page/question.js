// Cancelling and deleting ask first.

import { html, nothing } from "./lit-html.js";

export function question({ asking }, forms, actions) {
  const say = (key) => (asking ? forms.say(`question.${asking.what}.${key}`) : nothing);
  return html`<dialog aria-labelledby="question" aria-describedby="consequence" @close=${actions.keep}>
    <h2 id="question">${say("question")}</h2>
    <p id="consequence">${say("consequence")}</p>
    <p class="buttons">
      <button class="danger" @click=${() => actions[asking.what](asking.backup)}>${asking ? forms.say(`actions.${asking.what}`) : nothing}</button>
      <button autofocus @click=${actions.keep}>${say("no")}</button>
    </p>
  </dialog>`;
}
