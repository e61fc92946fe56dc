/**
 * What can be done with mails by POST: they are released and deleted, several at once, and one is judged anew. Changes
 * to domains are in domain.ts.
 */
import type { Context, Hono } from 'hono';
import { deleteRecord, releaseRecord } from '../../audit/mail-records.js';
import { unknownText } from '../../quarantine/look/disposition.js';
import { idOf, type MailRef, parseRef } from '../../quarantine/disk/mail-ref.js';
import type { ReleaseResult } from '../../quarantine/care/release.js';
import { back, type Form, formOf } from './forms.js';
import { ownAddress, type Vars } from '../guard.js';
import { replayPage } from '../replay-page.js';
import { say } from '../pages/layout.js';
import type { WebParts } from '../parts.js';
import { recordOf } from './recorder.js';
import { maySee, type Notice } from '../login/sessions.js';

/** The largest number of mails in one form. */
const maxAtOnce = 500;

export function changingMails(app: Hono<Vars>, parts: WebParts): void {
  app.post('/release', async (c) => {
    const { refs, form } = await mailsIn(c);
    const session = c.get('session');
    const results: string[] = [];
    let good = true;
    for (const ref of refs) {
      const result = await parts.mails.release(ref, {
        relay: parts.relay,
        hostname: parts.hostname,
        by: `${session.token.name} (page)`,
        form: form.get('form') === 'attachment' ? 'attachment' : 'raw',
        again: form.get('again') === '1',
        hasUser: parts.hasUser,
      });
      good &&= result.kind === 'released';
      results.push(releaseText(ref, result));
      recordOf(c, parts, releaseRecord(ref, result));
    }
    return back(c, form, summary(results, good, 'Select mails first.'));
  });
  app.post('/delete', async (c) => {
    const { refs, form } = await mailsIn(c);
    let deleted = 0;
    for (const ref of refs) {
      const result = await parts.mails.discard(ref, `${c.get('session').token.name} (page)`);
      if (result === 'deleted') deleted++;
      recordOf(c, parts, deleteRecord(ref, result));
    }
    const gone = refs.length - deleted;
    const text =
      refs.length === 0
        ? 'Select mails first.'
        : `Deleted ${mailsText(deleted)}${gone === 0 ? '' : `; ${mailsText(gone)} gone before`}.`;
    return back(c, form, { good: deleted > 0, text });
  });
}

/** It changes nothing, but costs what a mail costs, and asks the DNS about it: no other site may ask for it. */
export function replayingMails(app: Hono<Vars>, parts: WebParts): void {
  app.post('/replay', async (c) => {
    const { refs, form } = await mailsIn(c);
    const [ref] = refs;
    if (!ref) return c.notFound();
    const session = c.get('session');
    const view = {
      session,
      id: idOf(ref.filename),
      replay: await parts.replay(ref),
      back: ownAddress(form.get('back')),
    };
    return c.html(replayPage(view));
  });
}

const mailsText = (count: number): string => (count === 1 ? 'one mail' : `${count} mails`);

async function mailsIn(c: Context<Vars>): Promise<{ refs: readonly MailRef[]; form: Form }> {
  const { mail = [] } = await c.req.parseBody({ all: true });
  const refs = [mail].flat().flatMap((text) => (typeof text === 'string' ? (parseRef(text) ?? []) : []));
  const session = c.get('session');
  return { refs: refs.filter(({ domain }) => maySee(session, domain)).slice(0, maxAtOnce), form: await formOf(c) };
}

function releaseText({ filename }: MailRef, result: ReleaseResult): string {
  const id = idOf(filename);
  switch (result.kind) {
    case 'released':
      return `${id} released: ${result.reply}${result.problem === undefined ? '' : ` (but not marked: ${result.problem})`}`;
    case 'already':
      return `${id} was released before, ${result.mark.time.slice(0, 16).replace('T', ' ')} by ${result.mark.by}`;
    case 'busy':
      return `${id} is being released by somebody else`;
    case 'unknown':
      return `${id} is not sent again: ${say(unknownText(result), 500)}`;
    case 'gone':
      return `${id} is gone`;
    case 'routed':
      return `${id} not released: the local MTA might send it on to elsewhere, as there is no marker ${say(result.marker)}`;
    case 'refused':
      return `${id} was refused by the local MTA: ${result.reply}`;
    case 'unreachable':
      return `${id} not released: the local MTA cannot be reached (${result.problem})`;
  }
}

function summary(results: readonly string[], good: boolean, nothing: string): Notice {
  if (results.length === 0) return { good: false, text: nothing };
  const more = results.length > 5 ? ` … and ${results.length - 5} more` : '';
  return { good, text: `${results.slice(0, 5).join('; ')}${more}` };
}
