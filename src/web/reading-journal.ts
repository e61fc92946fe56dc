/**
 * The addresses of the journal: its list, new lines, tables, and the story of one mail. Whose token is for some domains
 * sees lines with recipients of theirs, and those recipients alone.
 */
import type { Context, Hono } from 'hono';
import { html } from 'hono/html';
import { csvHead, csvRow } from '../journal/shown/csv.js';
import { type JournalLine, journalText } from '../journal/line.js';
import { parseJournalQuery } from '../journal/query.js';
import { domainIn } from '../journal/tokens.js';
import type { JournalSource } from '../journal/journal-source.js';
import type { JournalPage, JournalSearch } from '../journal/reader.js';
import { storyOf } from '../journal/shown/story.js';
import { ydayOf } from '../quarantine/disk/day.js';
import { refText } from '../quarantine/disk/mail-ref.js';
import { exactMarker } from '../srv/markers.js';
import type { Vars } from './guard.js';
import { filtered, journalAddress, journalPage, journalRow, type WhoseJournal } from './pages/journal.js';
import { storyPage } from './pages/story.js';
import type { WebParts } from './parts.js';

const pageSize = 50;
/** A search may take so many milliseconds for its first page, and for one that goes on where another ended. */
const budget = { first: 120, further: 1_000 };
/** A table has so many rows at most: more is a matter for `postern track`. */
const maxRows = 100_000;

export function readingJournal(app: Hono<Vars>, parts: WebParts): void {
  app.get('/journal', async (c) => {
    const given = (c.req.query('q') ?? '').slice(0, 1_000);
    const { after, before, domain, plugin } = c.req.query();
    const search = filtered(given, { after, before, domain, plugin });
    if (search !== given) return c.redirect(journalAddress(search));
    const cursor = c.req.query('cursor');
    const { found, problem } = await listFor(c, parts, cursor === undefined ? {} : { cursor });
    const older = cursor !== undefined;
    const session = c.get('session');
    return c.html(
      journalPage({ session, search, found, older, whose: whoseOf(parts), ...(problem !== undefined && { problem }) }),
    );
  });
  app.get('/part/journal', async (c) => {
    const until = c.req.query('until') ?? '';
    const { found } = await listFor(c, parts, until === '' ? {} : { until });
    const rows = await html`${found.items.map((item) => journalRow(item, whoseOf(parts)))}`;
    return c.json({ count: found.items.length, first: found.items[0]?.cursor ?? '', rows: rows.toString() });
  });
  app.get('/journal.csv', (c) =>
    table(c, parts, { head: csvHead, row: csvRow, type: 'text/csv; charset=utf-8', end: 'csv' }),
  );
  app.get('/journal.json', (c) =>
    table(c, parts, {
      head: '',
      row: journalText,
      type: 'application/x-ndjson',
      end: 'json',
    }),
  );
  app.get('/journal/:id{[0-9A-Za-z]{1,40}}', async (c) => {
    const id = c.req.param('id');
    const story = await storyOf({ journal: parts.journal, id, ...visible(c) });
    const last = story?.at(-1);
    if (!story || !last) return c.notFound();
    const hasMarker = (text: string): boolean => {
      const marker = exactMarker(text, (domain) => parts.hosted.isHosted(domain));
      return marker !== undefined && parts.markers.exists(marker);
    };
    const back = `/journal/${id}`;
    const hosts = parts.journalOf === 'all hosts';
    const kept = await keptName(parts, last);
    return c.html(storyPage({ session: c.get('session'), story, kept, back, hosts, hasMarker }));
  });
}

export const whoseOf = ({ journalOf, hostname }: WebParts): WhoseJournal => ({ of: journalOf, hostname });

async function listFor(
  c: Context<Vars>,
  { journal }: WebParts,
  where: Pick<JournalSearch, 'cursor' | 'until'>,
): Promise<{ found: JournalPage; problem?: string }> {
  const parsed = parseJournalQuery(c.req.query('q') ?? '');
  if (!parsed.ok) return { found: { items: [] }, problem: parsed.problem };
  const search = { query: parsed.value, ...visible(c), ...where };
  const time = where.cursor === undefined ? budget.first : budget.further;
  return { found: await journal.page(search, { limit: pageSize, budget: time }) };
}

/** What the session may see of a line: of others' recipients nothing, nor where their mail is kept. */
export function visible(c: Context<Vars>): Pick<JournalSearch, 'show' | 'domains'> {
  const { domains } = c.get('session').token;
  if (domains === undefined) return {};
  const isTheirs = (address: string): boolean => domains.has(address.slice(address.lastIndexOf('@') + 1).toLowerCase());
  return {
    domains,
    show: ({ filename, ...line }) => {
      const to = line.to?.filter(({ address }) => isTheirs(address)) ?? [];
      const [first] = to;
      if (!first) return undefined;
      if (domains.has(line.domain ?? '')) return { ...line, to, ...(filename !== undefined && { filename }) };
      return { ...line, to, domain: domainIn(first.address) };
    },
  };
}

interface JournalTable {
  readonly head: string;
  readonly row: (line: JournalLine) => string;
  readonly type: string;
  readonly end: string;
}

function table(c: Context<Vars>, { journal }: WebParts, { head, row, type, end }: JournalTable): Response {
  const parsed = parseJournalQuery(c.req.query('q') ?? '');
  if (!parsed.ok) return c.text(`${parsed.problem}\n`, 400);
  const found = journal.search({ query: parsed.value, ...visible(c) });
  return c.body(ReadableStream.from<Uint8Array>(rowsOf(found, head, row)), 200, {
    'Content-Type': type,
    'Content-Disposition': `attachment; filename="journal.${end}"`,
  });
}

async function* rowsOf(
  found: ReturnType<JournalSource['search']>,
  head: string,
  row: JournalTable['row'],
): AsyncGenerator<Uint8Array> {
  let count = 0;
  let text = head;
  for await (const step of found) {
    if (!('line' in step)) continue;
    text += row(step.line);
    if (++count >= maxRows) break;
    if (text.length < 32_768) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

/** A mail is kept in the folder of the day on which it was refused, by this machine's clock. */
async function keptName({ mails }: WebParts, line: JournalLine): Promise<string | undefined> {
  const { filename, domain = '', time, ms = 0 } = line;
  if (filename === undefined) return undefined;
  const ended = new Date(Date.parse(time) + ms);
  const ref = { yday: String(ydayOf(ended)), domain, filename };
  return (await mails.isThere(ref)) ? refText(ref) : undefined;
}
