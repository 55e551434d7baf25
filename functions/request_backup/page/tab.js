// What the tab shows, from top to bottom.

import { html, nothing } from "./lit-html.js";
import { history } from "./history.js";
import { settings } from "./settings.js";
import { states } from "./states.js";

export function tab(state, progress, forms, actions, style) {
  const { overview, trouble } = state;
  return html`
    <link rel="stylesheet" href=${style} />
    <p class="said" role="status">${state.said}</p>
    ${trouble ? troubles(state, forms, actions) : nothing}
    ${overview && trouble !== "ended"
      ? html`
          ${notice(state)} ${pointed(state, forms)} ${states(state, progress, forms, actions)}
          ${overview.why_not?.contact ? nothing : settings(state, forms, actions)}
          ${history(state, forms, actions)}
          ${overview.may_manage ? whoDidWhat(state, forms, actions) : nothing}
        `
      : nothing}
    ${state.parts.question?.question(state, forms, actions) ?? nothing}
  `;
}

/** There are no fresh answers: why, and what the reader can do. */
function troubles({ trouble, heardAt, overview }, forms, actions) {
  const say = (key, fields) => forms.say(`trouble.${key}`, fields);
  switch (trouble) {
    case "ended":
      return html`<section class="card" role="alert">
        <h2 id="state" tabindex="-1">${say("ended")}</h2>
        <p>${say("ended_hint")}</p>
        <p><button class="main" @click=${actions.signIn}>${forms.say("actions.sign_in")}</button></p>
      </section>`;
    case "unreachable":
      return html`<div class="notice problem" role="alert">
        <p>${overview ? say("unreachable_since", { moment: forms.moment(heardAt) }) : forms.problem("unreachable")}</p>
        <button @click=${actions.retry}>${forms.say("actions.retry")}</button>
      </div>`;
    default:
      return html`<section class="card" role="alert">
        <h2 id="state" tabindex="-1">${say("refused")}</h2>
        <p>${forms.problem(trouble)}</p>
        <p><button @click=${actions.retry}>${forms.say("actions.retry")}</button></p>
      </section>`;
  }
}

function notice({ notice: told }) {
  return html`<div role=${told?.kind === "problem" ? "alert" : "status"}>
    ${told ? html`<p class="notice ${told.kind}">${told.text}</p>` : nothing}
  </div>`;
}

function whoDidWhat(state, forms, actions) {
  return html`<section class="card">
    <h2 id="trail">
      <button aria-expanded=${!!state.trail} aria-disabled=${!!state.busy} @click=${actions.trail}>${forms.say("who_did_what")}</button>
    </h2>
    ${state.trail ? state.parts.trail.trail(state, forms, actions) : nothing}
  </section>`;
}

/** The address names a backup that this account does not have. */
function pointed({ pointed: target }, forms) {
  return target && target.backup === null
    ? html`<p class="notice">${forms.say("not_here", { id: forms.name(target.id.slice(0, 300)) })}</p>`
    : nothing;
}
