// The page: sign-in, the line at its top, and <account-backups>.

import { SessionEnded } from "./api.js";
import { SignIn } from "./sign_in.js";
import "./account-backups.js";

const said = (name) => document.querySelector(`meta[name=${name}]`).content;
const place = document.querySelector("#backups");
const waiting = document.querySelector("#waiting");
const signIn = new SignIn(said("sign-in"), said("client-id"));

function tell(text, label, act) {
  const button = document.createElement("button");
  button.textContent = label;
  button.addEventListener("click", act);
  waiting.replaceChildren(text, " ", button);
}

function greet(forms) {
  const { name, email } = signIn.claims;
  const end = document.createElement("button");
  end.textContent = forms.say("sign_out");
  end.addEventListener("click", () => signIn.end());
  document.querySelector("#who").replaceChildren(forms.name(name ?? email ?? ""), end);
  // The server chose the browser's language for these; the user's own may be another.
  document.documentElement.lang = forms.words.language;
  document.querySelector(".path").textContent = forms.say("account_settings");
  const title = forms.say("title");
  document.title = document.title.replace(document.querySelector("h1").textContent, title);
  document.querySelector("h1").textContent = title;
}

function open() {
  const tab = document.createElement("account-backups");
  tab.setAttribute("api", new URL(".", location.href).href);
  const backup = new URLSearchParams(location.search).get("backup");
  if (backup) {
    tab.setAttribute("backup", backup);
  }
  tab.token = (wish) => signIn.token(wish);
  tab.addEventListener("sign-in", () => signIn.begin());
  tab.addEventListener("words", ({ detail }) => {
    waiting.hidden = true;
    greet(detail);
  });
  tab.addEventListener("wordless", () => {
    tell(place.dataset.unreachable, place.dataset.retry, () => location.reload());
  });
  place.append(tab);
}

async function begin() {
  if (said("sign-in") === "none") {
    waiting.textContent = place.dataset.noSignIn;
    return;
  }
  try {
    if (await signIn.finish()) {
      open();
    } else {
      await signIn.begin();
    }
  } catch (error) {
    const text = error instanceof SessionEnded ? place.dataset.notSignedIn : place.dataset.unreachable;
    tell(text, place.dataset.signIn, () => signIn.begin());
  }
}

begin();
