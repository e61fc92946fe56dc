/** The refused mails of all hosts, in the catalog. What a search finds is what it would find in the files. */
import { fieldText } from '../mail/text.js';
import { type ReleaseOrder, type ReleaseResult, sendOn } from '../quarantine/care/release.js';
import { errorText } from '../mail/error-text.js';
import type { MailRef } from '../quarantine/disk/mail-ref.js';
import type { HostBehind, KeptMails, KeptSearch } from '../quarantine/kept-mails.js';
import type { ListItem, Page, PageOptions } from '../quarantine/look/browse.js';
import type { IndexedDisposition } from '../quarantine/look/disposition.js';
import { type KeptMail, keptMailOf, maxHeader } from '../quarantine/look/kept-mail.js';
import { type Stats, StatsCount, type StatsProgress } from '../quarantine/look/stats.js';
import { type Bodies, withoutBody } from './bodies/bodies.js';
import type { Catalog } from './catalog.js';
import { hostsBehind } from './shared/hosts-behind.js';
import { beginSending, type Claim, claimRelease, endClaim, unknownRelease } from './shared/claims.js';
import { silentSince } from './ship/node-name.js';
import type { Database, Sql } from './database.js';
import { entryOf, keyOf, type RowKey } from './mail-row.js';
import { cursorOf, type FoundRow, isNewer, itemOf, keyIn, markOf, rowAt } from './rows.js';
import { searchRows } from './searching.js';
import { readsOf } from './replica.js';
import { tallied } from './tallies.js';

export class KeptInCatalog implements KeptMails {
  readonly #catalog: Catalog;
  readonly #node: string;
  readonly #bodies: Bodies;

  /** Whoever is asked for lists and numbers. */
  readonly #reads: Sql;

  /** `node` is ours: it stands at what we do. */
  constructor(catalog: Catalog, node: string, bodies: Bodies, reads: Sql = readsOf(catalog)) {
    this.#catalog = catalog;
    this.#reads = reads;
    this.#node = node;
    this.#bodies = bodies;
  }

  async *all(search: KeptSearch): AsyncGenerator<ListItem> {
    for await (const step of searchRows(this.#reads, search)) if (step.kind === 'row') yield itemOf(step.row);
  }

  async page({ limit, budget = Infinity, until, ...search }: Omit<PageOptions, 'root'>): Promise<Page> {
    const end = keyIn(until);
    const began = performance.now();
    const items: ListItem[] = [];
    for await (const step of searchRows(this.#reads, search)) {
      if (step.kind === 'row') {
        if (end && !isNewer(step.row, end)) return { items };
        if (items.length === limit) return { items, next: items.at(-1)?.cursor ?? '' };
        items.push(itemOf(step.row));
      } else if (!step.isLast && performance.now() - began > budget) {
        return { items, next: cursorOf(step.to), searchedTo: step.time };
      }
    }
    return { items };
  }

  async count(search: KeptSearch, progress?: (progress: StatsProgress) => void): Promise<Stats> {
    const { query, domains } = search;
    if (query.all && query.after === undefined && query.before === undefined)
      return tallied(this.#reads, query.domain === undefined ? domains : within(query.domain, domains));
    const counted = new StatsCount();
    for await (const step of searchRows(this.#reads, search)) {
      if (step.kind === 'row') counted.add(entryOf(step.row), step.row.domain, markOf(step.row));
      else progress?.({ days: 0, allDays: 0, mails: counted.total });
    }
    return counted.stats;
  }

  async disposition(ref: MailRef): Promise<IndexedDisposition> {
    const found = await this.#find(ref);
    if (!found) return {};
    const { database, key, row } = found;
    const mark = markOf(row);
    const unknown = mark ? undefined : await unknownRelease(database, key);
    const isMissing = mark?.kind !== 'deleted' && (await withoutBody(database, [key])).length > 0;
    return {
      entry: entryOf(row),
      ...(mark && { mark }),
      ...(unknown && { unknown: { ...unknown, messageId: row.message_id } }),
      ...(isMissing && { onItsWayFrom: row.node, ...(await silentSince(database, key)) }),
    };
  }

  async isThere(ref: MailRef): Promise<boolean> {
    const found = await this.#find(ref);
    if (!found || markOf(found.row)?.kind === 'deleted') return false;
    return (await withoutBody(found.database, [found.key])).length === 0;
  }

  async open(ref: MailRef): Promise<KeptMail | undefined> {
    const found = await this.#find(ref);
    return found && this.#openRow(found);
  }

  async #openRow({ database, key, row }: RowFound): Promise<KeptMail | undefined> {
    // Another copy may have the same octets.
    const body = markOf(row)?.kind === 'deleted' ? undefined : await this.#bodies.get(database, key);
    if (!body) return undefined;
    const whole = Buffer.concat([Buffer.from(`Recipient: ${fieldText(row.recipient)}\r\n`), body]);
    return keptMailOf({
      place: `catalog, from ${row.node}`,
      beginning: whole.subarray(0, maxHeader),
      size: whole.length,
      from: (start) => [whole.subarray(start)],
    });
  }

  async release(ref: MailRef, order: ReleaseOrder): Promise<ReleaseResult> {
    const found = await this.#find(ref);
    const mail = found && (await this.#openRow(found));
    if (!found || !mail) return { kind: 'gone' };
    const { database, key, row } = found;
    const claimant = { who: order.by, node: this.#node, again: order.again };
    const claiming = await database.durable((sql) => claimRelease(sql, key, claimant));
    switch (claiming.kind) {
      case 'busy':
        return claiming;
      case 'released': {
        const { time, by, detail } = claiming;
        return { kind: 'already', mark: { kind: 'released', filename: row.filename, time, by, detail } };
      }
      case 'unknown':
        return { ...claiming, messageId: row.message_id };
      case 'ours':
        return sendClaimed({ database, claim: claiming.claim, mail, ref, order, row });
    }
  }

  async discard(ref: MailRef, by: string): Promise<'deleted' | 'gone'> {
    const found = await this.#find(ref);
    if (!found) return 'gone';
    const { database, key } = found;
    return database.transaction(async (sql) => {
      const isThere = (await withoutBody(sql, [key])).length === 0;
      const isNew = await sql.query(
        `insert into fate (day, id, n, kind, state, who, node) values ($1, $2, $3, 'deleted', 'done', $4, $5)
         on conflict do nothing returning 1`,
        [key.day, key.id, key.n, by, this.#node],
      );
      await this.#bodies.remove(sql, key);
      return isThere && isNew.length > 0 ? 'deleted' : 'gone';
    });
  }

  async behind(): Promise<readonly HostBehind[]> {
    return hostsBehind(await this.#catalog.use());
  }

  /** A name that only looks like that of a row is none: another domain's admin may have made it. */
  async #find(ref: MailRef): Promise<RowFound | undefined> {
    const key = keyOf(ref.filename);
    const database = await this.#catalog.use();
    const row = key && (await rowAt(database, key));
    return key && row?.domain === ref.domain && row.filename === ref.filename ? { database, key, row } : undefined;
  }
}

interface RowFound {
  readonly database: Database;
  readonly key: RowKey;
  readonly row: FoundRow;
}

const within = (domain: string, domains: ReadonlySet<string> | undefined): ReadonlySet<string> =>
  new Set(domains?.has(domain) === false ? [] : [domain]);

interface ClaimedMail extends Omit<RowFound, 'key'> {
  readonly claim: Claim;
  readonly mail: KeptMail;
  readonly ref: MailRef;
  readonly order: ReleaseOrder;
}

async function sendClaimed({ database, claim, mail, ref, order, row }: ClaimedMail): Promise<ReleaseResult> {
  let mayBeSent = false;
  const message: KeptMail['message'] = {
    size: mail.message.size,
    async *parts() {
      yield* mail.message.parts();
      // What is thrown here keeps the end of the mail from being sent: the MTA forgets it then.
      if (!(await database.durable((sql) => beginSending(sql, claim))))
        throw new Error('somebody else has taken the release over');
      mayBeSent = true;
    },
  };
  const end = (how: Parameters<typeof endClaim>[2]): Promise<void> =>
    database.durable((sql) => endClaim(sql, claim, how));
  const result = await sendOn({ ...mail, message }, ref, order);
  try {
    if (result.kind === 'released') await end({ state: 'done', detail: result.reply });
    else if (result.kind === 'refused') await end({ state: 'refused', detail: result.reply });
    else if (!mayBeSent) await end({ state: 'refused', detail: '' });
    else
      return {
        kind: 'unknown',
        time: new Date().toISOString(),
        by: order.by,
        host: order.hostname,
        messageId: row.message_id,
      };
  } catch (error) {
    if (result.kind === 'released') return { ...result, problem: errorText(error) };
  }
  return result;
}
