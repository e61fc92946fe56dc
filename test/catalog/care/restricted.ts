/** A database whose tables one role owns and another, which hosts log in as, may use: made as docs/fleet.md says. */
import assert from 'node:assert/strict';
import { databaseAt } from '../../../src/catalog/open.js';
import { password, type Postgres } from '../../support/postgres.js';
import { postern } from '../../cli/support/postern-command.js';

export interface RestrictedCatalog {
  /** The tables' owner. */
  readonly owner: string;
  /** What hosts have as their setting. */
  readonly host: string;
  /** Who may do everything. */
  readonly admin: string;
}

export async function restrictedCatalog(
  server: Postgres,
  migrating: readonly string[] = [],
): Promise<RestrictedCatalog> {
  const admin = databaseAt(server.url);
  const secret = `'${password.replaceAll("'", "''")}'`;
  await admin.query('drop database if exists fleet with (force)');
  for (const role of ['postern_owner', 'mx', 'postern_host']) await admin.query(`drop role if exists ${role}`);
  await admin.query(`create role postern_owner login password ${secret}`);
  await admin.query('create role postern_host nologin');
  await admin.query(`create role mx login password ${secret} in role postern_host`);
  await admin.query('create database fleet owner postern_owner encoding UTF8 template template0');
  await admin.close();
  const made = { owner: server.urlOf('postern_owner', 'fleet'), host: server.urlOf('mx', 'fleet') };
  const migrated = await postern(['catalog', 'migrate', `--catalog=${made.owner}`, ...migrating]);
  assert.deepEqual([migrated.code, migrated.stderr], [0, '']);
  assert.match(migrated.stdout, /^members of the role postern_host may use it$/m);
  return { ...made, admin: server.urlOf('postern', 'fleet') };
}
