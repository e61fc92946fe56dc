/** The page that is shown in the place of one that cannot be shown: why, and a way back. */
import { html } from 'hono/html';
import { document, type Html } from './layout.js';

export interface ProblemPage {
  readonly title: string;
  readonly text: string;
}

const problemPage = ({ title, text }: ProblemPage): Html =>
  document(
    `${title} – postern`,
    html`<main class="login digest">
      <h1>${title}</h1>
      <p>${text}</p>
      <p><a href="/">To the mails</a></p>
    </main>`,
  );

export const notFoundPage = problemPage({
  title: 'There is nothing here',
  text: 'The address is wrong, the mail is gone, or your token is not for its domain.',
});

export const brokenPage = problemPage({
  title: 'Something is broken',
  text: 'The page could not do this; the log says why. Whoever runs the server can read it.',
});

export const oldFormPage = problemPage({
  title: 'This form is too old',
  text: 'Its session has ended, or another has begun since. Go back, reload, and try again: nothing was changed.',
});

export const noFormPage = problemPage({
  title: 'This is no form',
  text: 'What was sent could not be read. Nothing was changed.',
});

export const tooMuchPage = problemPage({
  title: 'This is too much',
  text: 'The form is larger than the page takes. Nothing was changed.',
});

export const downPage = problemPage({
  title: 'The catalog cannot be reached',
  text: 'What several hosts have refused is in a database that does not answer just now. Mail is taken and refused as ever. Try again in a minute; the log says why. On a host, “postern quarantine list --here” has what it has refused itself.',
});
