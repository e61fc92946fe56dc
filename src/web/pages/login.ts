/** The log-in page. A token may stand behind the `#` of its address, which reaches no server log and no referrer. */
import { html } from 'hono/html';
import { document, type Html } from './layout.js';

export const loginPage = (problem: string, to: string): Html =>
  document(
    'Log in – postern',
    html`<main class="login">
      <h1>postern<span> quarantine</span></h1>
      ${problem === '' ? '' : html`<p class="notice bad" role="alert">${problem}</p>`}
      <form method="post" action="/login" id="login">
        <input type="hidden" name="to" value="${to}" />
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
        <button class="main">Log in</button>
      </form>
      <p class="hint">
        An administrator makes tokens with <code>postern web token NAME</code>, for one domain with
        <code>--domain=example.com</code>.
      </p>
    </main>`,
  );
