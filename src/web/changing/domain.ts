/** Changes a domain by POST: its markers, its files of zones, how long its refused mail is kept. */
import type { Context, Hono } from 'hono';
import { modeText, readCheckMode } from '../../srv/check-mode.js';
import { fileRecord } from '../../audit/file-records.js';
import { parseDomain } from '../../mail/domain.js';
import { changeList, type ListChange } from '../../srv/list-file.js';
import type { KnownCheck } from '../../srv/known-check.js';
import { exactMarker, type Marker, markerText, readMarker } from '../../srv/markers.js';
import { back, type Form, formOf } from './forms.js';
import type { Vars } from '../guard.js';
import { mayExpire } from '../pages/domains.js';
import type { WebParts } from '../parts.js';
import { recordOf } from './recorder.js';
import { maySee, type Notice } from '../login/sessions.js';

export function changingDomain(app: Hono<Vars>, parts: WebParts): void {
  const { srvFrom } = parts;
  app.on('POST', ['/expiry', '/zones', '/marker/create', '/marker/remove'], async (c, next) => {
    if (srvFrom === '') return next();
    const text = `Nothing is changed: /srv is a copy here, and ${srvFrom} has the switches.`;
    return back(c, await formOf(c), { good: false, text });
  });
  app.post('/expiry', async (c) => {
    const form = await formOf(c);
    const domain = hostedDomain(form, parts);
    if (domain === undefined || !mayExpire(c.get('session'))) return c.notFound();
    return back(c, form, changeExpiry(c, parts, { domain, form }));
  });
  app.post('/zones', async (c) => {
    const form = await formOf(c);
    const domain = hostedDomain(form, parts);
    const check = parts.checks.find(({ list }) => list !== undefined && list === form.get('list'));
    if (domain === undefined || check?.list === undefined || !maySee(c.get('session'), domain)) return c.notFound();
    return back(c, form, changeZones(c, parts, { domain, list: check.list, check, text: form.get('text') ?? '' }));
  });
  app.post('/marker/create', async (c) => {
    const form = await formOf(c);
    return back(c, form, createMarker(c, parts, form));
  });
  app.post('/marker/remove', async (c) => {
    const form = await formOf(c);
    return back(c, form, removeMarker(c, parts, form));
  });
}

function hostedDomain(form: Form, { hosted }: WebParts): string | undefined {
  const domain = form.get('domain') ?? '';
  return parseDomain(domain) === domain && hosted.isHosted(domain) ? domain : undefined;
}

interface DomainForm {
  readonly domain: string;
  readonly form: Form;
}

function changeExpiry(c: Context<Vars>, parts: WebParts, { domain, form }: DomainForm): Notice {
  const word = (name: string): string => (form.get(name) ?? '').trim();
  return tried(parts, `${parts.markers.folderOf(domain)}/expire: cannot be written`, () => {
    const change = parts.changeExpiry(domain, { expire: word('expire'), expire_size: word('expire_size') });
    if (change.kind === 'wrong') return { good: false, text: `Nothing is changed: ${change.problem}.` };
    recordOf(c, parts, fileRecord(change));
    return change.kind === 'written'
      ? { good: true, text: `Wrote ${change.file}: ${change.lines.join(', ')}` }
      : { good: true, text: `Removed ${change.file}: the settings count.` };
  });
}

interface ZonesForm {
  readonly domain: string;
  readonly list: string;
  readonly check: KnownCheck;
  readonly text: string;
}

function changeZones(c: Context<Vars>, parts: WebParts, { domain, list, check, text }: ZonesForm): Notice {
  const folder = parts.markers.treeFolder(domain);
  return tried(parts, `${parts.markers.folderOf(domain)}/${list}: cannot be written`, () => {
    const change = changeList(text, { folder, list, problemsOf: check.listProblems });
    if (change.kind === 'written' || change.kind === 'removed') recordOf(c, parts, fileRecord(change));
    return zonesNotice(change);
  });
}

function zonesNotice(change: ListChange): Notice {
  switch (change.kind) {
    case 'written':
      return { good: true, text: `Wrote ${change.file}; it counts from the next command on.` };
    case 'removed':
      return { good: true, text: `Removed ${change.file}.` };
    case 'same':
      return { good: true, text: `${change.file} is as it was.` };
    case 'wrong':
      return { good: false, text: `Nothing is changed: ${change.problem}.` };
  }
}

/** A form has the whole marker, or (from a field of the page) the folder in `marker` and the name in `key`. */
const markerIn = (form: Form): string => `${form.get('marker') ?? ''}${form.get('key') ?? ''}`.trim();

function createMarker(c: Context<Vars>, parts: WebParts, form: Form): Notice {
  const text = markerIn(form);
  const read = readMarker(text, {
    isHosted: (domain) => parts.hosted.isHosted(domain),
    checkProblem: parts.checkProblem,
  });
  if (read.kind === 'wrong' || !maySee(c.get('session'), read.marker.scope)) return wrongMarker(c, text, read);
  const { marker } = read;
  const path = parts.markers.pathOf(marker);
  return tried(parts, `${path}: cannot be made`, () => {
    const mode = marker.kind === 'checks' ? modeIn(form.get('mode') ?? '') : '';
    if (!parts.markers.create(marker, mode === '' ? '' : `${mode}\n`))
      return { good: true, text: `${path} was there already.` };
    recordOf(c, parts, { what: 'marker made', target: path, ...(mode !== '' && { detail: mode }), result: 'done' });
    return { good: true, text: `Made ${path}`, marker: markerText(marker), action: 'remove', label: 'Undo' };
  });
}

/** The notice says why, with a button that makes the marker that was meant. */
function wrongMarker(c: Context<Vars>, text: string, read: ReturnType<typeof readMarker>): Notice {
  if (read.kind === 'marker') return { good: false, text: `${text}: that can be no marker.` };
  const notice: Notice = { good: false, text: `${text}: ${read.problem}.` };
  const { right } = read;
  if (!right || !maySee(c.get('session'), right.scope)) return notice;
  return { ...notice, marker: markerText(right), action: 'create', label: `Make ${right.key}` };
}

function removeMarker(c: Context<Vars>, parts: WebParts, form: Form): Notice {
  const text = markerIn(form);
  const marker = exactMarker(text, (domain) => parts.hosted.isHosted(domain));
  if (!marker || !maySee(c.get('session'), marker.scope))
    return { good: false, text: `${text}: that can be no marker.` };
  const path = parts.markers.pathOf(marker);
  return tried(parts, `${path}: cannot be removed`, () => {
    const old = parts.markers.contentOf(marker);
    if (!parts.markers.remove(marker)) return { good: true, text: `${path} was not there.` };
    recordOf(c, parts, { what: 'marker removed', target: path, ...(old !== '' && { old }), result: 'done' });
    return { good: true, text: `Removed ${path}`, ...undoFor(marker, old) };
  });
}

/** The button that undoes a removal; none where the page could not write again what the marker held. */
function undoFor(marker: Marker, old: string): Partial<Notice> {
  const mode = marker.kind === 'checks' ? modeIn(old) : '';
  if (old !== '' && mode === '') return {};
  return { marker: markerText(marker), action: 'create', label: 'Undo', mode };
}

/** What a check's marker may be made to hold: `log` or `score 2.5`; '' for anything else. */
function modeIn(text: string): string {
  const mode = readCheckMode(text) ?? 'on';
  return mode === 'on' ? '' : modeText(mode);
}

/** Does the change. Broken IO, and links that lead out of the tree, become a notice, and the log has the details. */
function tried(parts: WebParts, failure: string, change: () => Notice): Notice {
  try {
    return change();
  } catch (error) {
    parts.onError(error);
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EROFS' ? 'it is on a file system that is mounted read-only' : (code ?? message);
    return { good: false, text: `${failure} (${why})` };
  }
}
