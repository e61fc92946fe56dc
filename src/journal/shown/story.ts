/** The story of one mail: its tries, which are lines with one key, from the first to the one that ended it. */
import { dayMs, hourMs } from '../hours.js';
import type { JournalLine } from '../line.js';
import { type JournalQuery, queryOf } from '../query.js';
import type { JournalSource, SourceSearch } from '../journal-source.js';

/** Oldest first; one at least. */
export type MailStory = readonly JournalLine[];

export interface StoryOptions extends Pick<SourceSearch, 'show' | 'domains'> {
  readonly journal: JournalSource;
  /** The ID that the client was told. */
  readonly id: string;
  /** When the ID was made, in milliseconds, where that is known: it is looked for there first. */
  readonly madeAt?: number | undefined;
}

/** undefined where the journal does not have it, or it may not be seen. */
export async function storyOf({ journal, id, madeAt, ...where }: StoryOptions): Promise<MailStory | undefined> {
  const parsed = queryOf([{ key: 'id', value: id, not: false }]);
  if (!parsed.ok) return undefined;
  const query = parsed.value;
  const around = madeAt === undefined ? {} : { after: madeAt - hourMs, before: madeAt + hourMs };
  const near = madeAt === undefined ? [] : await linesFor(journal, { ...where, query: { ...query, ...around } });
  const ofId = near.length > 0 ? near : await linesFor(journal, { ...where, query });
  const last = ofId.at(-1);
  if (!last) return undefined;
  const others =
    last.tries && last.tries.key !== ''
      ? await linesFor(journal, { ...where, query: triesQuery(last.tries.key, last) })
      : [];
  return joined(ofId, others);
}

/** Tries are three days apart at most. */
function triesQuery(key: string, { time }: JournalLine): JournalQuery {
  const at = Date.parse(time);
  return {
    after: at - 3 * dayMs,
    before: at + 3 * dayMs,
    all: false,
    prefilter: new RegExp(`"key":"${key.replace(/\W/g, '\\$&')}"`, 'g'),
    needles: [],
    tokens: [key],
    terms: [],
    matches: ({ tries }) => tries?.key === key,
  };
}

/** Oldest first. */
async function linesFor(journal: JournalSource, search: SourceSearch): Promise<JournalLine[]> {
  const lines: JournalLine[] = [];
  for await (const step of journal.search(search)) if ('line' in step) lines.push(step.line);
  return lines.toReversed();
}

/** All tries of a mail name the time of its first. */
function joined(ofId: readonly JournalLine[], others: readonly JournalLine[]): MailStory {
  const firsts = new Set(ofId.filter(({ tries }) => tries !== undefined).map(firstOf));
  const tries = others.filter((line) => firsts.has(firstOf(line)));
  return [
    ...ofId.filter((line) => !tries.some(({ time, id }) => time === line.time && id === line.id)),
    ...tries,
  ].toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time));
}

const firstOf = ({ tries, time }: JournalLine): string => tries?.first ?? time;
