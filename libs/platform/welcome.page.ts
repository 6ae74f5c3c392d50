import { hash } from 'node:crypto';

/**
 * The pages that the printed set-up URL, an invitation's and a reset's URL lead to: a form each, and a way on from `/`. Plain
 * HTML and one script, so that a new deployment can be set up with nothing but a browser. The token stands behind
 * `#` in the URL, which browsers never send.
 */

interface Form {
  readonly title: string;
  readonly lead: string;
  /** `name`, label, type and autocomplete hint of each input; a dotted name becomes a nested object. */
  readonly inputs: readonly (readonly [name: string, label: string, type: string, autocomplete: string])[];
  readonly action: string;
  readonly button: string;
  readonly done: string;
}

/** What libs/auth/passwords refuses, in words for a form. */
const PASSWORD_RULE =
  '8 to 128 characters, 15 or more are advised; no common one, and none like your name or address';

const SETUP: Form = {
  title: 'Set up Portcullis',
  lead: 'Make the first organization and its owner. This works once; the token in the address dies with it.',
  inputs: [
    ['organization.name', 'Organization', 'text', 'organization'],
    ['organization.slug', 'Short name, for signing in (a-z, 0-9, -)', 'text', 'off'],
    ['owner.name', 'Your name', 'text', 'name'],
    ['owner.email', 'Your e-mail address', 'email', 'email'],
    ['owner.password', `Password (${PASSWORD_RULE})`, 'password', 'new-password'],
  ],
  action: '/api/v1/setup',
  button: 'Set up',
  done: 'Portcullis is set up. Sign in with POST /api/v1/auth/login; the API documentation shows how.',
};

const INVITATION: Form = {
  title: 'Accept the invitation',
  lead: 'Become a member. If you have an account already, give its password; otherwise choose one.',
  inputs: [
    ['name', 'Your name', 'text', 'name'],
    ['password', `Password (a new one: ${PASSWORD_RULE})`, 'password', 'new-password'],
  ],
  action: '/api/v1/auth/invitations/accept',
  button: 'Accept',
  done: 'You are a member. Sign in with POST /api/v1/auth/login; the API documentation shows how.',
};

const RESET: Form = {
  title: 'Set a new password',
  lead: 'The link works once. Your other sessions end when the password is set; sign in with it then.',
  inputs: [['newPassword', `New password (${PASSWORD_RULE})`, 'password', 'new-password']],
  action: '/api/v1/auth/password/reset/complete',
  button: 'Set the password',
  done: 'The new password is set. Sign in with POST /api/v1/auth/login; the API documentation shows how.',
};

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; }
main { width: min(26rem, calc(100vw - 3rem)); padding: 2rem 0; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
label { display: block; margin-top: 1rem; font-size: .9rem; }
input { display: block; width: 100%; box-sizing: border-box; margin-top: .25rem; padding: .5rem .6rem; font: inherit;
  border: 1px solid color-mix(in srgb, currentColor 40%, transparent); border-radius: .35rem; background: transparent; }
input[aria-invalid=true] { border-color: light-dark(#c62828, #ff8a80); }
button { margin-top: 1.5rem; padding: .55rem 1.4rem; font: inherit; font-weight: 600; border: 0; border-radius: .35rem;
  background: #1f4fd1; color: #fff; }
button:disabled { opacity: .5; }
#said { margin-top: 1rem; white-space: pre-line; }
#said.bad { color: light-dark(#c62828, #ff8a80); }
a { color: inherit; }`;

const SCRIPT = `
const form = document.querySelector('form'), said = document.querySelector('#said');
const say = (text, bad) => { said.className = bad ? 'bad' : ''; said.textContent = text; };
const inputOf = (path) => form.querySelector('input[name="' + CSS.escape(path) + '"]');
const labelOf = (path) => inputOf(path)?.labels[0].textContent.split(' (')[0] ?? path;
if (form && location.hash.length < 2) {
  say('The address of this page lacks its token: open the link whole, as you got it.', true);
}
form?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = form.querySelector('button');
  button.disabled = true;
  const body = { token: location.hash.slice(1) };
  for (const input of form.querySelectorAll('input')) {
    input.removeAttribute('aria-invalid');
    const path = input.name.split('.'), last = path.pop();
    path.reduce((at, part) => (at[part] ??= {}), body)[last] = input.value;
  }
  try {
    const answer = await fetch(form.action, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    if (answer.ok) {
      form.remove(); document.querySelector('#lead').remove();
      say(form.dataset.done); document.querySelector('#on').hidden = false;
      history.replaceState(null, '', location.pathname);
      return;
    }
    const { title, errors = [] } = await answer.json();
    say(errors.map(({ path, message }) => labelOf(path) + ' ' + message).join('\\n') || title, true);
    for (const { path } of errors) inputOf(path)?.setAttribute('aria-invalid', 'true');
  } catch {
    say('Portcullis did not answer. Try again.', true);
  }
  button.disabled = false;
});`;

/** Exactly this style and this script may run, and only this origin may be asked. */
export const WELCOME_POLICY =
  `default-src 'none'; style-src '${digest(STYLE)}'; script-src '${digest(SCRIPT)}'; connect-src 'self'; ` +
  `base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export const setupPage = formPage(SETUP);
export const invitationPage = formPage(INVITATION);
export const resetPage = formPage(RESET);
export const homePage = page(
  'Portcullis',
  `<p>This is the API of a Portcullis deployment.</p>
<p><a href="/api/docs">API documentation</a> · <a href="/health/ready">Is it ready?</a></p>`,
);

function formPage({ title, lead, inputs, action, button, done }: Form): string {
  const rows = inputs.map(
    ([name, label, type, autocomplete]) =>
      `<label>${label}<input name="${name}" type="${type}" autocomplete="${autocomplete}" required></label>`,
  );
  return page(
    title,
    `<p id="lead">${lead}</p>
<form action="${action}" data-done="${done}">
${rows.join('\n')}
<button>${button}</button>
</form>
<p id="said" role="status"></p>
<p id="on" hidden><a href="/api/docs">API documentation</a></p>
<script>${SCRIPT}</script>`,
  );
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>
<style>${STYLE}</style></head>
<body><main><h1>${title}</h1>
${body}
</main></body></html>
`;
}

/** A source expression of Content Security Policy Level 3, section 2.3.1. */
function digest(text: string): string {
  return `sha256-${hash('sha256', text, 'base64')}`;
}
