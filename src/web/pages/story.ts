/** The story of one mail on the page: all its tries, what was said of it, and what can be done. */
import { html } from 'hono/html';
import type { MailStory } from '../../journal/shown/story.js';
import { storyLines } from '../../journal/shown/story-text.js';
import type { WebSession } from '../login/sessions.js';
import { csrf, type Html, page, say } from './layout.js';
import { mailAddress } from './list.js';
import { type ListButtons, listButtons } from './list-buttons.js';
import { drawing, styled } from './spf-part.js';

export interface StoryView extends Pick<ListButtons, 'hasMarker'> {
  readonly session: WebSession;
  readonly story: MailStory;
  /** It is the name of the refused mail, where it is kept. */
  readonly kept: string | undefined;
  readonly back: string;
  /** Each try says through which of several hosts it came. */
  readonly hosts: boolean;
}

export function storyPage({ session, story, kept, back, hosts, hasMarker }: StoryView): Html {
  const last = story.at(-1);
  const { domain = '', from = '', ip = '', id = '', verdict = '' } = last ?? {};
  const subject = (last?.subject ?? '').trim() === '' ? '(no subject)' : say(last?.subject ?? '');
  return page({
    title: `${subject} – postern`,
    session,
    here: 'journal',
    body: html`<p class="back"><a href="/journal" data-key="u">← All mail</a></p>
      <h1 class="subject">${subject}</h1>
      <section class="why ${verdict === 'relayed' ? 'good' : ''}" aria-label="What became of it">
        ${drawing(storyLines(story, { utc: false, hosts }).map(styled), 'What became of it')}
        <p class="hint">The same on the command line: <code>postern track ${say(id, 40)}</code></p>
      </section>
      ${
        kept === undefined
          ? ''
          : html`<form method="post" class="actions">
              ${csrf(session)}<input type="hidden" name="mail" value="${kept}" /><input
                type="hidden"
                name="back"
                value="${back}"
              />
              <button class="main" formaction="/release" data-key="r">Release</button>
              <button formaction="/replay">Replay</button>
              <a class="button" href="${mailAddress(kept)}">Open the refused mail</a>
            </form>`
      }
      ${domain === '' ? '' : listButtons({ session, domain, from, ip, back, hasMarker })}`,
  });
}
