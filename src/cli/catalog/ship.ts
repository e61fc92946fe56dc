/** `postern catalog ship`: a process of its own, so that nothing that is slow about a database touches mail. */
import { Catalog } from '../../catalog/catalog.js';
import { bodiesAt, databaseAt } from '../../catalog/open.js';
import { nodeName } from '../../catalog/ship/node-name.js';
import type { ShippedNumbers } from '../../catalog/ship/shipped-numbers.js';
import { Shipper } from '../../catalog/ship/shipper.js';
import { journalDir } from '../../journal/hours.js';
import { createLogger, type Logger } from '../../log.js';
import { errorText } from '../../mail/error-text.js';
import { Registry } from '../../metrics/registry.js';
import type { Settings } from '../../settings/settings.js';
import { keepsLonger, ownLimits } from '../../srv/expiry.js';
import type { ShippingSettings } from '../serve/shipping.js';
import type { SettingsTask } from '../command/command.js';
import { complain, failed } from '../complain.js';
import { exit } from '../exit-codes.js';
import { addProcessNumbers } from '../metrics/process-numbers.js';
import { tellNumbers } from '../metrics/workers-numbers.js';
import { live } from '../service/life.js';
import { Signals } from '../service/signals.js';
import { isChild, WorkerSide } from '../service/worker-side.js';
import { srvOf } from '../wire.js';

export async function ship({ settings, options }: SettingsTask): Promise<number> {
  if (settings.catalog === '') return failed(exit.config, ['catalog: the setting names no database']);
  return options.has('once') ? shipOnce(settings) : shipOn(settings);
}

async function shipOn(settings: Settings): Promise<number> {
  const signals = new Signals();
  const log = createLogger(settings);
  const side = isChild ? new WorkerSide(signals) : undefined;
  let shipper: Shipper | undefined;
  if (side) tellShipped(side, () => shipper?.numbers);
  const code = await live(
    {
      account: settings,
      open: async () => undefined,
      async start() {
        try {
          shipper = new Shipper(await optionsFor(settings, log));
          shipper.start();
          return undefined;
        } catch (error) {
          return { code: exit.cantCreate, problems: [`state: ${errorText(error)}`] };
        }
      },
      close: async () => shipper?.stop(),
    },
    signals,
  );
  side?.close();
  return code;
}

/** What this process tells the gate that it belongs to, which answers monitors. */
function tellShipped({ channel }: WorkerSide, read: () => ShippedNumbers | undefined): void {
  const registry = new Registry();
  addProcessNumbers(registry);
  const asked = (name: string, help: string, of: (numbers: ShippedNumbers) => number | undefined): void =>
    registry.asked({ name, help, type: name.endsWith('_total') ? 'counter' : 'gauge' }, () => {
      const numbers = read();
      return numbers && of(numbers);
    });
  asked('postern_catalog_up', 'Does the catalog, and its store, take what is shipped?', ({ isUp }) => Number(isUp));
  asked('postern_catalog_behind_seconds', 'Time since all was there.', ({ behindMs }) => behindMs / 1000);
  asked('postern_catalog_lines_total', 'Lines of refused mails that were shipped.', ({ lines }) => lines);
  asked('postern_catalog_bodies_total', 'Refused mails that were shipped.', ({ bodies }) => bodies);
  asked('postern_catalog_journal_lines_total', 'Lines of the journal that were shipped.', ({ journal }) => journal);
  asked('postern_catalog_local_removed_total', 'Files that went for the catalog has them.', (of) => of.localRemoved);
  asked('postern_catalog_strange_total', 'Lines that the catalog does not take.', ({ strange }) => strange);
  asked('postern_catalog_behind_lines', 'Mails of this host whose lines are not there.', ({ behind }) => behind.lines);
  asked('postern_catalog_behind_bodies', 'Mails of this host that are not there.', ({ behind }) => behind.mails);
  asked('postern_catalog_behind_octets', 'Their octets.', ({ behind }) => behind.octets);
  asked(
    'postern_catalog_behind_limit_ratio',
    'Share of expire_size that these mails, and what came since, fill.',
    ({ expiryShare }) => expiryShare,
  );
  asked('postern_catalog_lost_total', 'Mails that expired before they were shipped.', ({ lost }) => lost);
  asked('postern_catalog_behind_oldest_seconds', 'How long the oldest of them has waited.', ({ behind: { since } }) =>
    since === undefined ? 0 : Math.max(0, (Date.now() - since) / 1000),
  );
  asked(
    'postern_catalog_clock_offset_seconds',
    "The server's clock against this host's.",
    ({ clockOffMs }) => clockOffMs && clockOffMs / 1000,
  );
  tellNumbers(channel, () => registry.snapshot);
}

type Options = ConstructorParameters<typeof Shipper>[0];

const optionsFor = async (settings: Settings, log: Logger): Promise<Options> => ({
  ...(await partsOf(settings)),
  onState: (problem) =>
    problem === undefined
      ? log.info({}, 'catalog: shipping')
      : log.warn({ problem }, 'catalog: nothing is shipped until that is over'),
  onNewer: (version) =>
    log.warn({ version }, 'catalog: a newer postern has made its tables; what is new in them is left alone'),
  onStrange: ({ filename, problem }) => log.warn({ file: filename, problem }, 'catalog: put aside'),
  onLost: (index, mails) =>
    log.error({ index, mails }, 'catalog: expired before they were shipped, and lost to the other hosts'),
  onNear: (share, isNear) => {
    const percent = Math.round(share * 100);
    if (isNear)
      log.warn(
        { percent },
        'catalog: mails that wait for it, and what came since, fill expire_size; then they are lost',
      );
    else log.info({ percent }, 'catalog: no mail that waits for it is near its expiry any more');
  },
  onClock: (offMs, isOff) => {
    const seconds = Math.round(offMs / 1000);
    if (isOff) log.warn({ seconds }, "catalog: its clock is off this host's; let both hear NTP");
    else log.info({ seconds }, "catalog: its clock and this host's agree");
  },
  onProblem: (problem) => log.error({ problem }, 'catalog'),
});

/** An index may take an hour. */
const patientMs = 3_600_000;

const partsOf = async (
  settings: ShippingSettings,
): Promise<Omit<Options, 'onState' | 'onStrange' | 'onClock' | 'onProblem'>> => ({
  catalog: new Catalog(databaseAt(settings.catalog)),
  patient: new Catalog(databaseAt(settings.catalog, { statementMs: patientMs })),
  bodies: await bodiesAt(settings.bodies),
  root: settings.spam,
  state: settings.state,
  node: nodeName(settings.state),
  host: settings.hostname,
  keepMs: settings.expire,
  journal: {
    dir: settings.journal_to === 'catalog' && settings.journal > 0 ? journalDir(settings.state) : undefined,
    keepMs: settings.journal,
  },
  shipKeepMs: settings.ship_keep,
  outlivesCatalog: (domain) => settings.expire > 0 && keepsLonger(ownLimits(srvOf(settings), domain), settings.expire),
  expireOctets: settings.expire_size,
});

async function shipOnce(settings: Settings): Promise<number> {
  let code: number = exit.ok;
  const tell = (problem: string): void => {
    complain([problem]);
    code = exit.notAll;
  };
  const shipper = new Shipper({
    ...(await partsOf(settings)),
    onState: () => undefined,
    onStrange: ({ filename, problem }) => tell(`put aside: ${filename}: ${problem}`),
    onProblem: tell,
  });
  try {
    await shipper.shipAll();
    return code;
  } catch (error) {
    return failed(exit.unavailable, [`catalog: ${errorText(error)}`]);
  } finally {
    await shipper.stop();
  }
}
