/** `postern catalog migrate` and `status`. */
import { grantToHosts, hostsRole, noteKeeping } from '../../catalog/care/roles.js';
import { Catalog } from '../../catalog/catalog.js';
import { databaseAt } from '../../catalog/open.js';
import { type Database, StatementRefused } from '../../catalog/database.js';
import { migrate, newestVersion, schemaProblem, schemaState } from '../../catalog/schema.js';
import { type CatalogStatus, statusOf } from '../../catalog/status.js';
import { errorText } from '../../mail/error-text.js';
import type { Settings } from '../../settings/settings.js';
import { dayWords } from '../../text/day.js';
import type { Line } from '../../text/line.js';
import { sizeText } from '../../text/size.js';
import type { SettingsTask } from '../command/command.js';
import { failed, say } from '../complain.js';
import { exit } from '../exit-codes.js';
import { jsonLine, render, shown, terminalOf } from '../terminal.js';

/** Making an index or a table of a large database takes its time. */
const patientMs = 3_600_000;

/** PostgreSQL's code for a statement that the role may not give. */
const notAllowed = '42501';
const whoMay = 'run "postern catalog migrate" as the role that owns its tables: --catalog=URL names it';

export const migrateCatalog = (task: SettingsTask): Promise<number> =>
  onCatalog(task, async (database) => {
    const reached = await migrate(database);
    const { version } = await schemaState(database);
    const hosts = version <= newestVersion && (await grantRights(database, task.settings));
    if (task.options.has('json')) process.stdout.write(jsonLine({ version, reached, hosts }));
    else if (reached.length > 0) say(`the catalog has the tables of version ${version} now`);
    else if (version > newestVersion) say(`the catalog has tables of version ${version}, which a newer postern made`);
    else say(`the catalog has the tables of version ${version} already`);
    if (hosts && !task.options.has('json')) say(`members of the role ${hostsRole} may use it`);
    return exit.ok;
  });

/** What a newer postern has made it grants itself. */
const grantRights = (database: Database, { expire: mail, journal }: Settings): Promise<boolean> =>
  database.transaction(async (sql) => {
    await noteKeeping(sql, { mail, journal });
    return grantToHosts(sql);
  });

export const showStatus = (task: SettingsTask): Promise<number> =>
  onCatalog(task, async (database) => {
    const problem = schemaProblem(await schemaState(database));
    if (problem !== undefined) return failed(exit.unavailable, [problem]);
    const status = await statusOf(await new Catalog(database).use());
    const terminal = terminalOf(process.stdout, task.env);
    process.stdout.write(task.options.has('json') ? jsonLine(status) : render(linesOf(status), terminal));
    return exit.ok;
  });

export async function onCatalog(
  { settings }: SettingsTask,
  run: (database: Database) => Promise<number>,
): Promise<number> {
  if (settings.catalog === '') return failed(exit.config, ['catalog: the setting names no database']);
  const database = databaseAt(settings.catalog, { statementMs: patientMs });
  try {
    return await run(database);
  } catch (error) {
    const isForOwner = error instanceof StatementRefused && error.sqlState === notAllowed;
    return failed(exit.unavailable, [`catalog: ${errorText(error)}${isForOwner ? `; ${whoMay}` : ''}`]);
  } finally {
    await database.close();
  }
}

function linesOf(status: CatalogStatus): readonly Line[] {
  const { server, version, clockOffMs, hosts, days, mails, octets, journal, waiting, absent, strange, lastStrange } =
    status;
  const row = (label: string, text: string): Line => [[`${label.padEnd(9)} `, 'dim'], [shown(text, 300)]];
  const span = days.count === 0 ? 'none' : `${days.count}, ${dayWords(days.first)} to ${dayWords(days.last)}`;
  return [
    row('server', server),
    row('tables', version === newestVersion ? `version ${version}` : `version ${version}, ours are ${newestVersion}`),
    row('clock', `${(Math.abs(clockOffMs) / 1000).toFixed(1)} s ${clockOffMs < 0 ? 'behind' : 'ahead of'} this host's`),
    ...hosts.map(({ host, node, seen, ships, behindMails, behindOctets }) => {
      const behind = behindMails === 0 ? '' : `; ${behindMails} mails, ${sizeText(behindOctets)}, have not come`;
      return row('host', `${host} (${node}) ${ships ? 'ships' : `last seen ${seen}`}${behind}`);
    }),
    row('days', span),
    row('mails', `${mails}, ${sizeText(octets)}`),
    ...(waiting === 0 ? [] : [row('', `${waiting} of them are still on their way`)]),
    ...(absent === 0 ? [] : [row('', `${absent} of them are on hosts that do not ship, and come when these do`)]),
    ...(journal === 0 ? [] : [row('journal', `${journal} mails, those turned away included`)]),
    ...(strange === 0 ? [] : [row('strange', `${strange} lines could not be taken; the last: ${lastStrange}`)]),
  ];
}
