/** Doctor's look at what hosts share: does the catalog answer, with our tables and our clock, and can mails be put? */
import { errorText } from '../../mail/error-text.js';
import { type Diagnoses, type Examined, failing, good, note, warning } from './diagnosis.js';

export async function* examineCatalog({ settings }: Pick<Examined, 'settings'>): Diagnoses {
  if (settings.catalog === '') return;
  const { databaseAt } = await import('../../catalog/open.js');
  const { schemaProblem, schemaState } = await import('../../catalog/schema.js');
  const { maxClockOffMs, statusOf } = await import('../../catalog/status.js');
  const database = databaseAt(settings.catalog);
  try {
    const schema = await schemaState(database);
    const problem = schemaProblem(schema);
    if (problem !== undefined) return yield failing('catalog', problem);
    if (schema.kind === 'newer')
      yield note('catalog', `its tables are those of a newer postern (version ${schema.version})`, 'update this host');
    const { server, clockOffMs, hosts, waiting, absent, strange, lastStrange } = await statusOf(database);
    const ships = hosts.filter((host) => host.ships).length;
    yield good('catalog', `${server} answers; ${ships} of ${hosts.length} hosts ship`);
    if (Math.abs(clockOffMs) > maxClockOffMs)
      yield warning('catalog', `its clock is ${Math.round(clockOffMs / 1000)} s off ours`, 'let both hear NTP');
    if (waiting > 0) yield note('catalog', `${waiting} mails of the last two days are not there yet, their lines are`);
    if (absent > 0)
      yield warning(
        'catalog',
        `${absent} mails of the last two days are on hosts that do not ship`,
        'start these hosts',
      );
    if (strange > 0)
      yield warning(
        'catalog',
        `${strange} lines could not be taken, the last: ${lastStrange}`,
        'look at its table strange',
      );
  } catch (error) {
    yield failing('catalog', errorText(error), 'mail goes on; what is refused meanwhile is shipped when it answers');
  } finally {
    await database.close();
  }
  yield* examineReplica(settings.catalog_read);
  yield* examineBodies(settings.bodies);
}

async function* examineReplica(address: string): Diagnoses {
  const { replicaAt } = await import('../../catalog/open.js');
  const { secondsBehind } = await import('../../catalog/replica.js');
  const replica = replicaAt(address);
  if (!replica) return;
  try {
    const behind = Math.round(await secondsBehind(await replica.use()));
    if (behind <= 60) yield good('catalog', `its replica answers, and is at most ${behind} s behind`);
    else
      yield warning(
        'catalog',
        `its replica is ${behindWords(behind)}`,
        'lists are read from the catalog itself meanwhile',
      );
  } catch (error) {
    yield warning('catalog', `its replica: ${errorText(error)}`, 'lists are read from the catalog itself meanwhile');
  } finally {
    await replica.close();
  }
}

const behindWords = (seconds: number): string =>
  seconds === Infinity ? 'perhaps behind: it has replayed nothing since its start' : `${seconds} s behind`;

async function* examineBodies(address: string): Diagnoses {
  if (address === '') return;
  const { bodiesAt } = await import('../../catalog/open.js');
  try {
    await (await bodiesAt(address)).reach();
    yield good('bodies', 'the store answers, and shows what is in the bucket');
  } catch (error) {
    yield failing('bodies', errorText(error), 'lines are shipped meanwhile, and mails when it answers');
  }
}
