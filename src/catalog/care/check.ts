/**
 * Does everything in the catalog fit together? Each mail has its octets, they are those that came, what was counted is
 * what there is, and nothing lies in the store for nobody. It only reads, day by day, so much at a time.
 */
import type { Bodies } from '../bodies/bodies.js';
import type { Sql } from '../database.js';
import { schemaState } from '../schema.js';
import { wrongRights } from './roles.js';

/** `problem`: something has to be done, or is lost. `note`: it is said, and all is well. */
export interface CatalogFinding {
  readonly kind: 'problem' | 'note';
  /** `2026-11-28`; absent where it is of no day. */
  readonly day?: string;
  readonly text: string;
}

export interface CatalogChecked {
  days: number;
  mails: number;
  /** Mails whose octets were read and are what they were; copies have theirs in common. */
  bodies: number;
  /** Octets, deflated. */
  octets: number;
  waiting: number;
  strange: number;
  problems: number;
}

export interface CatalogCheckOptions {
  readonly bodies: Bodies;
  /** `2026-11-28`; earlier days are not looked at. */
  readonly since: string;
  readonly onFinding: (finding: CatalogFinding) => void;
  /** It is told which day is looked at. */
  readonly onDay?: (day: string) => void;
}

/** So many are named of one kind; the rest is counted. */
const maxNamed = 20;

/** Throws SourceDown. */
export async function checkCatalog(sql: Sql, options: CatalogCheckOptions): Promise<CatalogChecked> {
  const sum = { days: 0, mails: 0, bodies: 0, octets: 0, waiting: 0, strange: 0, problems: 0 };
  const tell = (finding: CatalogFinding): void => {
    if (finding.kind === 'problem') sum.problems++;
    options.onFinding(finding);
  };
  await checkTables(sql, tell);
  const today = await todayOf(sql);
  for await (const day of daysFrom(sql, options.since)) {
    options.onDay?.(day);
    sum.days++;
    const ofDay = (kind: CatalogFinding['kind'], text: string): void => tell({ kind, day, text });
    sum.mails += await countsOf(sql, day, ofDay);
    sum.waiting += await bodiless(sql, { day, today }, ofDay);
    const { mails, octets } = await readBodies(sql, { day, bodies: options.bodies }, ofDay);
    sum.bodies += mails;
    sum.octets += octets;
  }
  for await (const { day, objects, example } of options.bodies.orphans(sql, { since: options.since, before: today }))
    tell({ kind: 'note', day, text: `${objects} objects of the store that no mail is in, such as ${example}` });
  sum.strange = await strangeLines(sql, options.since, tell);
  return sum;
}

type Tell = (finding: CatalogFinding) => void;
type TellOfDay = (kind: CatalogFinding['kind'], text: string) => void;

async function checkTables(sql: Sql, tell: Tell): Promise<void> {
  const { kind, version } = await schemaState(sql);
  if (kind === 'newer')
    tell({
      kind: 'note',
      text: `its tables are of version ${version}, which a newer postern made: what is new in them is not checked`,
    });
  for (const text of await wrongRights(sql)) tell({ kind: 'problem', text: `the role ${text}` });
}

async function todayOf(sql: Sql): Promise<string> {
  const [row] = await sql.query<{ day: string }>(`select (clock_timestamp() at time zone 'UTC')::date::text as day`);
  return row?.day ?? '';
}

/** Days that have lines, octets or counts, each found by an index. */
async function* daysFrom(sql: Sql, since: string): AsyncGenerator<string> {
  for (let from = since, isFirst = true; ; isFirst = false) {
    const [row] = await sql.query<{ day: string | null }>(
      `select min(day)::text as day from (
         select min(day) as day from mail where day ${isFirst ? '>=' : '>'} $1::date
         union all select min(day) from body where day ${isFirst ? '>=' : '>'} $1::date
         union all select min(day) from tally where day ${isFirst ? '>=' : '>'} $1::date) next`,
      [from],
    );
    if (row?.day === undefined || row.day === null) return;
    yield row.day;
    from = row.day;
  }
}

/** What was counted against what there is; returns how many lines there are. */
async function countsOf(sql: Sql, day: string, tell: TellOfDay): Promise<number> {
  const wrong = await sql.query<{ domain: string; plugin: string; mails: number; counted: number }>(
    `select coalesce(m.domain, t.domain) as domain, coalesce(m.plugin, t.plugin) as plugin,
       coalesce(m.mails, 0)::float8 as mails, coalesce(t.mails, 0)::float8 as counted
     from (select domain, left(plugin, 100) as plugin, count(*) as mails, sum(size) as octets
       from mail where day = $1 group by 1, 2) m
     full join (select domain, plugin, sum(mails) as mails, sum(octets) as octets
       from tally where day = $1 group by 1, 2) t using (domain, plugin)
     where (m.mails, m.octets) is distinct from (t.mails, t.octets) order by 1, 2`,
    [day],
  );
  for (const { domain, plugin, mails, counted } of wrong.slice(0, maxNamed))
    tell('problem', `${domain}, ${plugin}: ${mails} mails, and ${counted} were counted, or their octets differ`);
  if (wrong.length > maxNamed) tell('problem', `and ${wrong.length - maxNamed} more that were counted wrong`);
  const [row] = await sql.query<{ count: number }>('select count(*)::float8 as count from mail where day = $1', [day]);
  return row?.count ?? 0;
}

/** Lines without octets, by host, and octets without a line; returns how many are on their way. */
async function bodiless(
  sql: Sql,
  { day, today }: { readonly day: string; readonly today: string },
  tell: TellOfDay,
): Promise<number> {
  const hosts = await sql.query<{ host: string; count: number; id: string; ships: boolean }>(
    `select coalesce(node.host, m.node) as host, count(*)::integer as count, min(m.id || '_' || m.n) as id,
       coalesce(bool_or(node.until > clock_timestamp()), false) as ships
     from mail m left join node on node.node = m.node
     where m.day = $1 and not exists (select from body b where b.day = $1 and b.id = m.id and b.n = m.n)
       and not exists (select from fate f where f.day = $1 and f.id = m.id and f.n = m.n and f.kind = 'deleted')
     group by 1 order by 1`,
    [day],
  );
  let waiting = 0;
  const yesterday = new Date(Date.parse(today) - 86_400_000).toISOString().slice(0, 10);
  for (const { host, count, id, ships } of hosts) {
    if (day >= yesterday || ships) waiting += count;
    if (day >= yesterday) tell('note', `${count} mails are on their way from ${host}, such as ${id}`);
    else
      tell(
        'problem',
        `${count} mails have not come from ${host}, which ${ships ? 'ships' : 'does not ship'}, such as ${id}`,
      );
  }
  const [lost] = await sql.query<{ count: number; id: string }>(
    `select count(*)::integer as count, min(b.id || '_' || b.n) as id from body b
     where b.day = $1 and not exists (select from mail m where m.day = $1 and m.id = b.id and m.n = b.n)`,
    [day],
  );
  if (lost && lost.count > 0) tell('problem', `${lost.count} mails have no line, such as ${lost.id}`);
  return waiting;
}

async function readBodies(
  sql: Sql,
  { day, bodies }: { readonly day: string; readonly bodies: Bodies },
  tell: TellOfDay,
): Promise<{ readonly mails: number; readonly octets: number }> {
  let [mails, octets, bad] = [0, 0, 0];
  for await (const found of bodies.verify(sql, day)) {
    if (found.kind === 'good') {
      mails += found.mails;
      octets += found.octets;
    } else if (++bad <= maxNamed) {
      const [row] = await sql.query<{ id: string }>(
        `select id || '_' || n as id from body where day = $1 and sha256 = $2 order by id, n limit 1`,
        [day, found.sha256],
      );
      tell('problem', `${row?.id ?? 'a mail that nobody knows'} ${found.problem}`);
    }
  }
  if (bad > maxNamed) tell('problem', `and ${bad - maxNamed} more mails that are not as they came`);
  const [gone] = await sql.query<{ count: number; id: string }>(
    `select count(*)::integer as count, min(b.id || '_' || b.n) as id from body b
     where b.day = $1 and not exists (select from octets o where o.day = $1 and o.sha256 = b.sha256)
       and not exists (select from fate f where f.day = $1 and f.id = b.id and f.n = b.n and f.kind = 'deleted')`,
    [day],
  );
  if (gone && gone.count > 0) tell('problem', `${gone.count} mails have lost their octets, such as ${gone.id}`);
  return { mails, octets };
}

/** What could not be taken, by reason; returns how many lines that is. */
async function strangeLines(sql: Sql, since: string, tell: Tell): Promise<number> {
  const reasons = await sql.query<{ problem: string; count: number; host: string; line: string }>(
    `select problem, count(*)::integer as count, max(coalesce(node.host, s.node)) as host,
       (array_agg(left(line, 200) order by number desc))[1] as line
     from strange s left join node on node.node = s.node
     where s.at >= $1::date group by problem order by 2 desc, 1 limit ${maxNamed}`,
    [since],
  );
  for (const { problem, count, host, line } of reasons)
    tell({ kind: 'problem', text: `${count} lines could not be taken (${problem}), the last from ${host}: ${line}` });
  const [row] = await sql.query<{ count: number }>(
    'select count(*)::integer as count from strange where at >= $1::date',
    [since],
  );
  return row?.count ?? 0;
}
