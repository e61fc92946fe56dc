/**
 * What hosts may do in the catalog that do not own its tables: members of a role of that name, where the server has
 * one. Whatever else becomes of parts is done by functions that run as the owner.
 */
import type { Sql } from '../database.js';

export const hostsRole = 'postern_host';

/** Each table that hosts use directly, and for what. Days, parts and tables are nobody's to remove, change or empty. */
export const hostRights: Readonly<Record<string, string>> = {
  schema_version: 'select',
  keeping: 'select',
  node: 'select, insert, update (host, holder, until, behind_mails, behind_octets, behind_since)',
  mail: 'select, insert',
  body: 'select, insert',
  octets: 'select, insert',
  fate: 'select, insert, update (state, claim, until, at, who, node, detail)',
  tally: 'select, insert, update (mails, octets)',
  journal: 'select, insert, update (line, tokens)',
  journal_tally: 'select, insert, update (lines), delete',
  erasure: 'select, insert, delete',
  erased: 'select, insert',
  audit: 'select, insert',
  strange: 'select, insert',
  digest: 'select, insert, update (state, claim, until, at, node), delete',
  secret: 'select, insert',
  spent: 'select, insert, delete',
  token: 'select, insert, delete',
  session: 'select, insert, update (notices, used), delete',
};

/** They run as the owner, so each looks itself at what it is asked for. */
export const ownersFunctions = [
  'make_parts(date)',
  'drop_parts(date)',
  'make_journal_parts(date)',
  'drop_journal_parts(date)',
  'seal_part(text)',
  'take_octets(date, text, integer)',
];

/** By the owner, after each migration. True where the server has the role: its members may use the catalog now. */
export async function grantToHosts(sql: Sql): Promise<boolean> {
  const [there] = await sql.query<{ schema: string; role: boolean }>(
    'select current_schema() as schema, exists (select from pg_roles where rolname = $1) as role',
    [hostsRole],
  );
  const schema = `"${there?.schema.replaceAll('"', '""')}"`;
  for (const name of ownersFunctions) {
    // Nobody can put something of his own in front of what they name.
    await sql.query(`alter function ${name} security definer set search_path = ${schema}, pg_temp`);
    await sql.query(`revoke execute on function ${name} from public`);
    if (there?.role === true) await sql.query(`grant execute on function ${name} to ${hostsRole}`);
  }
  if (there?.role !== true) return false;
  await sql.query(closeSchema);
  await sql.query(`grant usage on schema ${schema} to ${hostsRole}`);
  for (const [table, rights] of Object.entries(hostRights)) {
    await sql.query(`revoke all on ${table} from ${hostsRole}`);
    await sql.query(`grant ${rights} on ${table} to ${hostsRole}`);
  }
  return true;
}

/** A function beside ours that fits better is called instead, and by ours as the owner: hosts make none. */
const closeSchema = `
do $$ begin
  if has_schema_privilege('${hostsRole}', current_schema(), 'create') then
    execute format('revoke create on schema %I from public, ${hostsRole}', current_schema());
  end if;
  if has_schema_privilege('${hostsRole}', current_schema(), 'create') then
    raise exception 'hosts may make functions in the schema %: as its owner, revoke create on it from public',
      current_schema();
  end if;
end $$`;

/** Hosts may remove what is older than so many milliseconds; 0: nothing. */
export async function noteKeeping(
  sql: Sql,
  keepMs: { readonly mail: number; readonly journal: number },
): Promise<void> {
  for (const [what, ms] of Object.entries(keepMs))
    await sql.query(
      `insert into keeping (what, days) values ($1, $2)
       on conflict (what) do update set days = excluded.days`,
      [what, ms === 0 ? null : Math.floor(ms / 86_400_000)],
    );
}

/** What the role that hosts use may not do and has to, or may and must not; none where it owns the tables. */
export async function wrongRights(sql: Sql): Promise<readonly string[]> {
  const [me] = await sql.query<{ role: string | null }>(
    `select case when not pg_has_role(c.relowner, 'usage') then current_user::text
       else (select rolname::text from pg_roles where rolname = $1) end as role
     from pg_class c where c.oid = 'mail'::regclass`,
    [hostsRole],
  );
  const role = me?.role ?? null;
  if (role === null) return [];
  const asked = Object.entries(hostRights).flatMap(([table, rights]) =>
    [...rights.matchAll(/(\w+)(?: \(([^)]*)\))?/g)].flatMap(([, right = '', columns]) =>
      (columns?.split(', ') ?? ['']).map((column) => ({ object: table, right, column })),
    ),
  );
  const wrong = await sql.query<{ text: string }>(
    `select $1::text || ' may not ' || "right" || ' ' || object || case "column" when '' then '' else '.' || "column" end as text
     from json_to_recordset($2::text::json) as a(object text, "right" text, "column" text)
     where not coalesce(case "column"
       when '' then has_table_privilege($1::name, to_regclass(object), "right")
       else has_column_privilege($1::name, to_regclass(object), "column", "right") end, false)
     union all
     select $1::text || ' may not call ' || object from unnest($3::text[]) as f(object)
     where not coalesce(has_function_privilege($1::name, to_regprocedure(object), 'execute')
       and (select prosecdef from pg_proc where oid = to_regprocedure(object)), false)
     union all
     select $1::text || ' may make functions in the schema ' || current_schema()
     where has_schema_privilege($1::name, current_schema(), 'create')`,
    [role, JSON.stringify(asked), ownersFunctions],
  );
  return wrong.map(({ text }) => text);
}
