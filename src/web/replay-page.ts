/** What today's checks say of a mail that is kept: each plugin's word, and what would become of it. */
import { html } from 'hono/html';
import type { WebSession } from './login/sessions.js';
import { type Html, page, say } from './pages/layout.js';

/** What one plugin said at one hook. */
export interface ReplayedWord {
  readonly hook: string;
  readonly plugin: string;
  readonly verdict: string;
  /** Why; '' where there is nothing to say. */
  readonly reason: string;
  readonly ms: number;
}

export type Replay =
  | {
      readonly kind: 'judged';
      readonly said: readonly ReplayedWord[];
      readonly reply: string;
      readonly disposition: 'handed over' | 'taken' | 'archived' | 'deferred' | 'refused';
    }
  | { readonly kind: 'gone' }
  /** Somebody else's mail is being judged. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'failed'; readonly problem: string };

export interface ReplayView {
  readonly session: WebSession;
  /** The mail's ID, '' where it has none. */
  readonly id: string;
  readonly replay: Replay;
  /** The page of ours that it was asked for from. */
  readonly back: string;
}

export const replayPage = ({ session, id, replay, back }: ReplayView): Html =>
  page({
    title: 'Judged anew – postern',
    session,
    here: 'mails',
    body: html`<p class="back"><a href="${back}" data-key="u">← The mail</a></p>
      <h1>What today’s checks say</h1>
      ${replay.kind === 'judged' ? judged(replay, id) : html`<p class="notice bad" role="alert">${problemOf(replay)}</p>`}`,
  });

function problemOf(replay: Exclude<Replay, { kind: 'judged' }>): string {
  switch (replay.kind) {
    case 'gone':
      return 'The mail itself is gone.';
    case 'busy':
      return 'Another mail is being judged just now: try again in a moment.';
    case 'failed':
      return `The mail cannot be judged: ${say(replay.problem, 1_000)}`;
  }
}

const dispositions = {
  'handed over': 'would be handed to the local MTA',
  taken: 'was taken by a plugin, which answers for it',
  archived: 'would be rejected, and kept',
  deferred: 'would be deferred',
  refused: 'would be refused, and not kept',
} as const;

const judged = ({ said, reply, disposition }: Extract<Replay, { kind: 'judged' }>, id: string): Html =>
  html`<section class="why ${disposition === 'handed over' ? 'good' : ''}" aria-label="What would become of it">
      <p class="verdict">It ${dispositions[disposition]}.</p>
      <p class="reply"><code>${say(reply, 600)}</code></p>
      <p class="hint">
        Nothing was sent or
        stored.${id === '' ? '' : html` The same on the command line: <code>postern test --replay=${say(id, 40)}</code>`}
      </p>
    </section>
    <table>
      <tr>
        <th scope="col">Plugin</th>
        <th scope="col">Hook</th>
        <th scope="col">Verdict</th>
        <th scope="col">Reason</th>
        <th scope="col">ms</th>
      </tr>
      ${said.filter(isTelling).map(
        ({ plugin, hook, verdict, reason, ms }) =>
          html`<tr>
            <td>${say(plugin, 100)}</td>
            <td>${hook}</td>
            <td>${verdict}</td>
            <td>${say(reason, 500)}</td>
            <td>${ms.toFixed(1)}</td>
          </tr>`,
      )}
    </table>`;

/** Checks that are off, or come behind a rejection, have nothing to say. */
const isTelling = ({ verdict, reason }: ReplayedWord): boolean =>
  verdict !== 'skip' || !['not enabled', 'rejected already'].includes(reason);
