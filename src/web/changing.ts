/** What is done by POST: releasing, deleting, markers, how long mail is kept. Each leads back to a page, with what happened on top. */
import type { Context, Hono } from 'hono';
import { deleteRecord, releaseRecord } from '../audit/mail-records.js';
import { parseDomain } from '../mail/domain.js';
import { discard } from '../quarantine/care/discard.js';
import { idOf, type MailRef, parseRef } from '../quarantine/disk/mail-ref.js';
import { release, type ReleaseResult } from '../quarantine/care/release.js';
import { type Marker, markerText, parseMarker } from '../srv/markers.js';
import { mayExpire } from './pages/domains.js';
import { ownAddress, type Vars } from './guard.js';
import { say } from './pages/layout.js';
import type { WebParts } from './parts.js';
import { type PageRecord, recordOf } from './recorder.js';
import { maySee, type Notice, type WebSession } from './sessions.js';

/** Of what happened; the page that is to show it may never be asked for. */
const mostNotices = 5;
const longestNotice = 2_000;
/** Mails for one bulk action. */
const mostAtOnce = 500;

export function changing(app: Hono<Vars>, parts: WebParts): void {
  app.post('/release', async (c) => {
    const { refs, form } = await mailsIn(c);
    const session = c.get('session');
    const results: string[] = [];
    let good = true;
    for (const ref of refs) {
      const result = await release(ref, {
        root: parts.root,
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
      const result = await discard(parts.root, ref, `${c.get('session').token.name} (page)`);
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
  app.post('/expiry', async (c) => {
    const form = await formOf(c);
    const domain = form.get('domain') ?? '';
    const isOne = parseDomain(domain) === domain && parts.hosted.isHosted(domain);
    if (!isOne || !mayExpire(c.get('session'))) return c.notFound();
    return back(c, form, changeExpiry(c, parts, { domain, form }));
  });
  for (const what of ['create', 'remove'] as const) {
    app.post(`/marker/${what}`, async (c) => {
      const form = await formOf(c);
      const text = `${form.get('marker') ?? ''}${form.get('key') ?? ''}`.trim();
      const marker = parseMarker(text, (domain) => parts.hosted.isHosted(domain));
      if (!marker || !mayMark(c.get('session'), marker))
        return back(c, form, { good: false, text: `${text}: that can be no marker.` });
      return back(c, form, changeMarker(c, parts, { marker, what }));
    });
  }
}

interface AskedExpiry {
  readonly domain: string;
  readonly form: ReadonlyMap<string, string>;
}

function changeExpiry(c: Context<Vars>, parts: WebParts, { domain, form }: AskedExpiry): Notice {
  const word = (name: string): string => (form.get(name) ?? '').trim();
  const told = (what: PageRecord['what'], target: string, detail: string): void =>
    recordOf(c, parts, { what, target, detail, result: 'done' });
  try {
    const change = parts.changeExpiry(domain, { expire: word('expire'), expire_size: word('expire_size') });
    switch (change.kind) {
      case 'written':
        told('file written', change.file, change.lines.join(', '));
        return { good: true, text: `Wrote ${change.file}: ${change.lines.join(', ')}` };
      case 'removed':
        told('file removed', change.file, '');
        return { good: true, text: `Removed ${change.file}: the settings count.` };
      case 'wrong':
        return { good: false, text: `Nothing is changed: ${change.problem}.` };
    }
  } catch (error) {
    parts.onError(error);
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    return { good: false, text: `${parts.markers.folderOf(domain)}/expire: cannot be written (${code})` };
  }
}

const mailsText = (count: number): string => (count === 1 ? 'one mail' : `${count} mails`);

const mayMark = (session: WebSession, { scope }: Marker): boolean => maySee(session, scope);

interface AskedMarker {
  readonly marker: Marker;
  readonly what: 'create' | 'remove';
}

function changeMarker(c: Context<Vars>, parts: WebParts, { marker, what }: AskedMarker): Notice {
  const { markers, onError } = parts;
  const path = markers.pathOf(marker);
  const done = what === 'create' ? 'marker made' : 'marker removed';
  try {
    const changed = what === 'create' ? markers.create(marker) : markers.remove(marker);
    if (!changed) return { good: true, text: `${path} ${what === 'create' ? 'was there already' : 'was not there'}.` };
    recordOf(c, parts, { what: done, target: path, result: 'done' });
    const undo = what === 'create' ? 'remove' : 'create';
    return { good: true, text: `${what === 'create' ? 'Made' : 'Removed'} ${path}`, marker: markerText(marker), undo };
  } catch (error) {
    onError(error);
    return {
      good: false,
      text: `${path}: cannot be ${what === 'create' ? 'made' : 'removed'} (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
    };
  }
}

async function formOf(c: Context<Vars>): Promise<ReadonlyMap<string, string>> {
  const body = await c.req.parseBody();
  return new Map(Object.entries(body).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])));
}

async function mailsIn(c: Context<Vars>): Promise<{ refs: readonly MailRef[]; form: ReadonlyMap<string, string> }> {
  const { mail = [] } = await c.req.parseBody({ all: true });
  const refs = [mail].flat().flatMap((text) => (typeof text === 'string' ? (parseRef(text) ?? []) : []));
  const session = c.get('session');
  return { refs: refs.filter(({ domain }) => maySee(session, domain)).slice(0, mostAtOnce), form: await formOf(c) };
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

/** To a page of ours that the form names, with what happened on top of it. */
function back(c: Context<Vars>, form: ReadonlyMap<string, string>, notice: Notice): Response {
  const where = ownAddress(form.get('back'));
  const session = c.get('session');
  const told = { ...notice, text: say(notice.text, longestNotice), back: where };
  session.notices = [...session.notices, told].slice(-mostNotices);
  return c.redirect(where, 303);
}
