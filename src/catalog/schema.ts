/**
 * Which version the catalog's tables have, and the way to the newest. Two who migrate at once do so one after the
 * other. A newer catalog is used as far as it is known: steps only add.
 */
import type { Database, Sql } from './database.js';
import { migrations } from './migrations.js';

export const newestVersion = migrations.length;

export type SchemaState =
  | { readonly kind: 'current' | 'newer'; readonly version: number }
  /** Its tables are not there yet, or are those of an earlier postern. */
  | { readonly kind: 'older'; readonly version: number };

export async function schemaState(sql: Sql): Promise<SchemaState> {
  const version = await versionOf(sql);
  if (version === newestVersion) return { kind: 'current', version };
  return { kind: version > newestVersion ? 'newer' : 'older', version };
}

async function versionOf(sql: Sql): Promise<number> {
  const [there] = await sql.query<{ name: string | null }>(`select to_regclass('schema_version')::text as name`);
  if ((there?.name ?? null) === null) return 0;
  const [row] = await sql.query<{ version: number | null }>('select max(version) as version from schema_version');
  return row?.version ?? 0;
}

/** What to tell whoever wants to use it; undefined where all is well. */
export function schemaProblem({ kind, version }: SchemaState): string | undefined {
  if (kind !== 'older') return undefined;
  const what =
    version === 0 ? 'has no tables yet' : `has tables of version ${version}, this postern's are ${newestVersion}`;
  return `the catalog ${what}: run "postern catalog migrate" once`;
}

/** Any number will do that nobody else takes in this database. */
const migrationLock = 7_365_001;

/** Carries out what is missing, each step in a transaction of its own; returns the versions that were reached. */
export async function migrate(database: Database): Promise<readonly number[]> {
  const reached: number[] = [];
  for (const migration of migrations) {
    const isDone = await database.transaction(async (sql) => {
      await sql.query(`set local lock_timeout = '5s'`);
      // It holds to the transaction's end, behind a pooler too.
      await sql.query('select pg_advisory_xact_lock($1)', [migrationLock]);
      if ((await versionOf(sql)) >= migration.version) return false;
      await sql.query(migration.sql);
      await sql.query(
        'create table if not exists schema_version (version integer primary key, at timestamptz not null)',
      );
      await sql.query('insert into schema_version values ($1, clock_timestamp())', [migration.version]);
      return true;
    });
    if (isDone) reached.push(migration.version);
  }
  return reached;
}
