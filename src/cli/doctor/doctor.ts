/**
 * `postern doctor`, and `check-config --live`: is all set up right, as far as can be known from here? It asks the DNS,
 * the MTA behind, and our own port; it sends no mail, writes nothing, and waits for nobody for ever.
 */
import { serverStates } from '../../dns/stub/server-states.js';
import { parseDomain } from '../../mail/domain.js';
import { errorText } from '../../mail/error-text.js';
import { withoutPasswords } from '../../mail/secret.js';
import { BrokenMarker } from '../../srv/srv.js';
import type { Style } from '../../text/line.js';
import { misused, type SettingsTask } from '../command/command.js';
import { configurationOf } from '../config/check.js';
import { counted } from '../config/report.js';
import { exit } from '../exit-codes.js';
import { jsonLine, render, shown, terminalOf } from '../terminal.js';
import { makeResolver, srvOf } from '../wire.js';
import { examineCertificate } from './certificate-names.js';
import { type Diagnoses, type Diagnosis, type Examined, failing, good, note, warning } from './diagnosis.js';
import { examineLists } from './dns-lists.js';
import { examineMx } from './domain-mx.js';
import { examineClock, examineFolders } from './folders.js';
import { examineRecords } from './mail-records.js';
import { examineRelay } from './mta-behind.js';
import { examineCatalog } from './shared-catalog.js';
import { examineStore } from './shared-store.js';
import { examineName, examinePort } from './our-name.js';

/** Exit code 0 where there is no error; 1 where there is one. */
export async function doctor(task: SettingsTask): Promise<number> {
  const { settings, words, options, env } = task;
  const [name, ...more] = words;
  const domain = name === undefined ? undefined : parseDomain(name);
  if (more.length > 0 || (name !== undefined && domain === undefined))
    return misused(task, `name one domain, not "${shown(words.join(' '), 200)}"`);
  const counts = { good: 0, note: 0, warning: 0, error: 0 };
  const terminal = terminalOf(process.stdout, env);
  const write = options.has('json') ? jsonLine : (one: Diagnosis) => render([lineOf(one)], terminal);
  for await (const diagnosis of examine(task, domain)) {
    counts[diagnosis.severity]++;
    process.stdout.write(write(diagnosis));
  }
  const { error: errors, warning: warnings, note: notes } = counts;
  const summary = { good: errors === 0, errors, warnings, notes, file: task.file ?? null, hostname: settings.hostname };
  if (options.has('json')) process.stdout.write(jsonLine(summary));
  else process.stdout.write(render([[['']], [summaryOf(errors, warnings)]], terminal));
  return errors === 0 ? exit.ok : exit.notAll;
}

const summaryOf = (errors: number, warnings: number): readonly [string, Style] => {
  const more = warnings === 0 ? '' : ` and ${counted(warnings, 'warning')}`;
  if (errors > 0) return [`${counted(errors, 'error')}${more}`, 'red'];
  return warnings === 0
    ? ['all is well, as far as can be seen from here', 'green']
    : [counted(warnings, 'warning'), 'yellow'];
};

const styles: Readonly<Record<Diagnosis['severity'], Style>> = {
  good: 'green',
  note: 'cyan',
  warning: 'yellow',
  error: 'red',
};

const lineOf = ({ severity, area, text, remedy }: Diagnosis): readonly (readonly [string, Style?])[] => [
  [severity.padEnd(9), styles[severity]],
  [area.padEnd(13), 'dim'],
  [shown(text, 600)],
  ...(remedy === undefined ? [] : [[`; ${shown(remedy, 300)}`, 'bold'] as const]),
];

async function* examine(task: SettingsTask, domain: string | undefined): Diagnoses {
  const { settings } = task;
  const examined = yield* examineSettings(task, domain);
  yield* examineFolders(settings);
  yield* examineClock(settings);
  if (examined === undefined) return;
  yield* readingTree(examineRelay(examined));
  yield* examineStore(examined);
  yield* examineCatalog(examined);
  if (!(yield* examineResolver(examined))) return yield* examineCertificate(examined, []);
  const ours = yield* examineName(examined);
  yield* examinePort(examined, ours);
  yield* examineCertificate(examined, yield* examineMx(examined, ours));
  yield* readingTree(examineLists(examined));
  yield* examineRecords(examined);
}

/** What breaks in /srv ends one examination, and not the others. */
async function* readingTree(diagnoses: Diagnoses): Diagnoses {
  try {
    yield* diagnoses;
  } catch (error) {
    if (!(error instanceof BrokenMarker)) throw error;
    yield failing('folders', error.message, 'mend it: mail is deferred for it');
  }
}

/** As check-config. Returns undefined where nothing else can be looked at. */
async function* examineSettings(task: SettingsTask, domain: string | undefined): Diagnoses<Examined | undefined> {
  const { settings } = task;
  const found: Diagnosis[] = [];
  const config = await configurationOf(task, {
    error: (problem) => found.push(failing('settings', withoutPasswords(problem))),
    warning: (problem, at) =>
      found.push(warning('settings', at?.path === undefined ? problem : `${at.root}/${at.path} ${problem}`)),
  });
  yield* found;
  const resolver = makeResolver(settings);
  if (!resolver.ok) yield failing('settings', resolver.problem);
  if (!config.counts || !resolver.ok) return undefined;
  const { counts, plugins } = config;
  yield good(
    'settings',
    `${task.file ?? 'no file'}: ${counted(counts.domains, 'domain')}, ${counted(plugins.length, 'plugin')}`,
  );
  if (counts.domains === 0)
    yield warning(
      'settings',
      `${settings.srv} hosts no domain, so no mail is taken`,
      'postern srv add-domain makes one',
    );
  if (task.options.has('trial'))
    yield note(
      'settings',
      'this is the trial: its DNS, domains and local MTA are made up, so errors about them mean nothing',
    );
  const srv = srvOf(settings);
  try {
    if (domain !== undefined && !srv.isHosted(domain)) {
      yield failing('domain', `${domain} is no hosted domain`, `postern srv add-domain ${domain} makes it one`);
      return { settings, srv, plugins, resolver: resolver.value, domains: [] };
    }
    const all = srv.domains().flatMap((name) => parseDomain(name) ?? []);
    const domains = domain === undefined ? all : [domain];
    return { settings, srv, plugins, resolver: resolver.value, domains };
  } catch (error) {
    if (!(error instanceof BrokenMarker)) throw error;
    yield failing('settings', `srv: ${errorText(error)}`);
    return undefined;
  }
}

/** Does anybody answer at all? */
async function* examineResolver({ settings }: Examined): Diagnoses<boolean> {
  if (settings.dns_zone !== '') {
    yield note('resolver', `the DNS is the file ${settings.dns_zone}: what others see is not known`);
    return true;
  }
  const states = await serverStates(settings.dns_servers, settings.dns_timeout);
  for (const state of states) {
    const { server } = state;
    if (state.kind === 'validates') yield good('resolver', `${server} answers, and validates (DNSSEC)`);
    else if (state.kind === 'answers')
      yield warning('resolver', `${server} answers, but does not validate`, 'a resolver of your own, as unbound, does');
    else yield failing('resolver', `${server} does not answer: ${state.problem}`, 'mend it, or set dns_servers');
  }
  return states.some(({ kind }) => kind !== 'failed');
}
