/** `postern check-config`: everything that is wrong with settings, plugins, certificates and markers. */
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { loadPlugins } from '../../hooks/loading/load.js';
import type { Plugin } from '../../hooks/plugin.js';
import { errorText } from '../../mail/error-text.js';
import { withoutPasswords } from '../../mail/secret.js';
import { defaultFile } from '../../settings/settings.js';
import type { Certificate } from '../../smtp/server.js';
import { loadRedis } from '../../store/redis-client.js';
import type { TreeCounts } from '../../srv/lint.js';
import { unreadableFiles } from './named-files.js';
import { CheckReport } from './report.js';
import type { SettingsTask } from '../command/command.js';
import { readCertificates } from '../service/certificates.js';
import { findingsIn } from '../srv/findings.js';
import { foldersOf, listOf, srvOf } from '../wire.js';

/** Returns exit code 0 when a start would succeed. Markers that do nothing are warnings. */
export async function checkConfig(task: SettingsTask): Promise<number> {
  const { settings, file } = task;
  if (task.options.has('live')) return (await import('../doctor/doctor.js')).doctor(task);
  const report = new CheckReport(task);
  report.begin(file ?? (task.options.has('trial') ? 'those of the trial' : `no file: ${defaultFile} is not there`));
  const { plugins, counts } = await configurationOf(task, report);
  for (const problem of unreadableFiles(settings)) report.warning(problem);
  const [until] = readCertificates(settings)
    .certificates.map((certificate) => endOf(certificate, report))
    .toSorted();
  if (!counts) return report.end(file);
  const { domains, users, open } = counts;
  const summary = { domains, users, open_domains: open, plugins: plugins.length, tls_until: until ?? null };
  return report.end(file, summary);
}

export interface Configuration {
  readonly plugins: readonly Plugin[];
  /** It is undefined where plugins or /srv cannot be read. */
  readonly counts: TreeCounts | undefined;
}

/** Tells everything that is wrong with settings, plugins, certificates and markers. */
export async function configurationOf(
  task: SettingsTask,
  report: Pick<CheckReport, 'error' | 'warning'>,
): Promise<Configuration> {
  const { settings } = task;
  const plugins = await loadPlugins(listOf(settings), foldersOf(settings));
  if (!plugins.ok) for (const problem of plugins.problem) report.error(problem);
  const { certificates, problems } = readCertificates(settings);
  // A start is content with one of several.
  for (const { problem } of problems)
    if (certificates.length === 0) report.error(problem);
    else report.warning(problem);
  const client = settings.store === '' ? undefined : await loadRedis();
  if (client?.ok === false) report.error(`store = ${withoutPasswords(settings.store)}: ${client.problem}`);
  const logFolder = logFolderProblem(settings.log_file);
  if (logFolder !== undefined) report.error(logFolder);
  return plugins.ok
    ? { plugins: plugins.value, counts: lookAround(task, plugins.value, report) }
    : { plugins: [], counts: undefined };
}

/** Says what a start would stumble over: it makes the file, but not its folder. */
function logFolderProblem(file: string): string | undefined {
  if (file === '' || existsSync(dirname(file))) return undefined;
  return `log_file = ${file}: its folder is not there; mkdir makes it`;
}

/** Returns undefined where there is no tree. */
function lookAround(
  { settings }: SettingsTask,
  plugins: readonly Plugin[],
  report: Pick<CheckReport, 'error' | 'warning'>,
): TreeCounts | undefined {
  try {
    srvOf(settings).isHosted('postern.invalid'); // throws where nobody can know
    const findings = findingsIn(settings, plugins);
    for (let next = findings.next(); ; next = findings.next()) {
      if (next.done) return next.value;
      report.warning(next.value.problem, { root: settings.srv, path: next.value.path });
    }
  } catch (error) {
    report.error(`srv: ${errorText(error)}`);
    return undefined;
  }
}

/** The day, as `2027-02-01`. A start accepts a certificate that has ended, though hardly a client does. */
function endOf({ name, cert }: Certificate, report: CheckReport): string {
  const end = new Date(new X509Certificate(cert).validTo);
  const day = end.toISOString().slice(0, 10);
  const where = name === 'tls_cert' ? name : `tls_cert: ${name}`;
  if (end.getTime() < Date.now()) report.warning(`${where}: the certificate has ended on ${day}`);
  return day;
}
