// The dialog that asks for a token.

import { forgetAnswers, signIn } from "./api.js";
import { make } from "./dom.js";

let signing = null;

// Asks a person for the token, once however many requests wait for it; resolves when the server has taken it.
export function signInByHand() {
  signing ??= new Promise(resolve => {
    const field = make("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
    const wrong = make("p", { class: "wrong", role: "alert" });
    const submit = async event => {
      event.preventDefault();
      try { await signIn(field.value); } catch (error) { wrong.textContent = error.detail ?? error.message; field.select(); return; }
      dialog.close();
      dialog.remove();
      signing = null;
      forgetAnswers();
      resolve();
    };
    const form = make("form", { class: "signin", onsubmit: submit }, make("h2", { id: "signing" }, "A token is needed"),
      make("input", { type: "text", autocomplete: "username", value: "nearkin", hidden: true }),
      make("label", { for: "token" }, "The token that nearkin serve was started with"), field, wrong, make("button", { type: "submit", class: "plain main" }, "Open"));
    const dialog = make("dialog", { "aria-labelledby": "signing", oncancel: event => event.preventDefault() }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
  return signing;
}
