/**
 * The environment of `postern milter --policy submission` into one frozen value, or all that is wrong with it, one line
 * each that names the variable. Values of secrets are never shown.
 */
import { readDirectory, shownDirectoryText, type DirectoryKey } from '../../../directory/settings.js';
import type { DirectoryOptions } from '../../../directory/directory.js';
import { readZoneFile } from '../../../dns/zone.js';
import type { Resolver } from '../../../dns/resolver.js';
import { type Problems, type Result, wrong } from '../../../mail/result.js';
import { printable } from '../../../mail/text.js';
import type { Endpoint } from '../../../milter/endpoint.js';
import type { SubmissionSettings } from '../../../milter/submission/settings.js';
import { parsePattern } from '../../../milter/submission/pattern.js';
import { type ReadFile, tryRead } from '../../../settings/cross-checks.js';
import { printTable } from '../../../settings/print-table.js';
import { TableReader } from '../../../settings/read-table.js';
import { type Environment, understand } from './understood.js';
import { directoryVariables, flag, variables, type VariableValues } from './variables.js';

export interface SubmissionConfig extends SubmissionSettings {
  readonly log_level: 'debug' | 'info' | 'warn' | 'error';
  readonly log_format: 'auto' | 'json' | 'pretty';
  readonly socket: Endpoint;
  readonly socketMode: number | undefined;
  readonly metrics: VariableValues['METRICS'];
  readonly dnsServers: readonly string[];
  /** Answers in the place of the DNS. */
  readonly zone: Resolver | undefined;
  readonly directory: DirectoryOptions | undefined;
  readonly summaryEvery: number;
  readonly stopTimeout: number;
  readonly idleTimeout: number;
}

export interface ReadSubmission {
  readonly config: SubmissionConfig;
  /** All variables as an environment file that gives the same, but for the password. */
  readonly text: string;
  readonly warnings: readonly string[];
}

export type LoadedSubmission = Result<ReadSubmission, Problems>;

export interface SubmissionInput {
  readonly env: Environment;
  readonly readFile: ReadFile;
  /** A socket that was handed over: `fd:3`. */
  readonly inherited?: string;
}

export function loadSubmission({ env: given, readFile, inherited }: SubmissionInput): LoadedSubmission {
  const { env, warnings } = understand(given);
  const reader = new TableReader({
    table: new Map(Object.entries(variables)),
    complaint: ({ name, text }, problem) => `${name}: ${shown(text)} ${printable(problem, 400)}`,
  });
  for (const [name, { default: byDefault }] of Object.entries(variables))
    reader.take({ name, text: env[name]?.trim() || byDefault, place: 'environment' });
  const { problems } = reader;
  const values = reader.values() as unknown as VariableValues;
  const directory = values.LDAP_ENABLED ? directoryOf(env, readFile) : undefined;
  if (directory && !directory.ok) problems.push(...directory.problem);
  const zone = zoneOf(values.DNS_ZONE, readFile);
  if (zone?.ok === false) problems.push(`DNS_ZONE: ${zone.problem}`);
  if (problems.length > 0 || zone?.ok === false || directory?.ok === false) return wrong(problems);
  const config: SubmissionConfig = {
    mode: values.MILTER_MODE,
    name: values.MILTER_NAME,
    rejectMessage: values.MILTER_REJECT_MESSAGE,
    tmpfailMessage: values.MILTER_TMPFAIL_MESSAGE,
    pattern: values.SPF_REGEX ?? (values.OUTGOING_IPS.length > 0 ? undefined : everything),
    outgoing: values.OUTGOING_IPS,
    ignoredNextHops: values.IGNORED_NEXT_HOPS,
    dnsFailure: values.SUBMISSION_DNS_FAILURE,
    directoryFailure: values.SUBMISSION_LDAP_FAILURE,
    log_level: values.LOG_LEVEL === 'warning' ? 'warn' : values.LOG_LEVEL,
    log_format: values.LOG_FORMAT,
    socket: socketOf(values, inherited),
    socketMode: values.MILTER_SOCKET_MODE,
    metrics: values.METRICS,
    dnsServers: values.DNS_SERVERS,
    zone: zone?.value,
    directory: directory?.value,
    summaryEvery: values.SUMMARY_EVERY,
    stopTimeout: values.STOP_TIMEOUT,
    idleTimeout: values.IDLE_TIMEOUT,
  };
  const all = config.pattern === everything ? [...warnings, permitsAll] : warnings;
  return { ok: true, value: { config: Object.freeze(config), text: textOf(env), warnings: all } };
}

/** sos-milter's default. */
const anything = parsePattern('.*');
const everything = anything.ok ? anything.value : undefined;
const permitsAll = 'neither SPF_REGEX nor OUTGOING_IPS is set: every SPF record permits us, nothing will be found';

const shown = (text: string): string => `"${printable(text, 120)}"`;

function socketOf({ MILTER_SOCKET, MILTER_NAME }: VariableValues, inherited: string | undefined): Endpoint {
  if (inherited !== undefined) return { kind: 'fd', fd: Number(inherited.slice('fd:'.length)) };
  return MILTER_SOCKET ?? { kind: 'unix', path: `/socket/${MILTER_NAME}` };
}

function zoneOf(file: string, readFile: ReadFile): Result<Resolver> | undefined {
  if (!file) return undefined;
  const read = tryRead(file, readFile);
  if (!read.ok) return wrong(`${shown(file)} must be a file that can be read (${read.problem})`);
  const zone = readZoneFile(read.value);
  return zone.ok ? zone : wrong(`${shown(file)}: ${printable(zone.problem, 300)}`);
}

function directoryOf(env: Environment, readFile: ReadFile): Result<DirectoryOptions, Problems> {
  const values: { [K in DirectoryKey]?: string } = {};
  for (const [key, [name]] of Object.entries(directoryVariables)) values[key as DirectoryKey] = env[name] ?? '';
  const startTls = flag.parse(values.start_tls?.trim() ?? '');
  if (!startTls.ok) return wrong([`LDAP_STARTTLS: ${startTls.problem}`]);
  values.start_tls = startTls.value ? 'yes' : 'no';
  const file = env[passwordFile]?.trim();
  if (file) {
    const read = tryRead(file, readFile);
    if (!read.ok) return wrong([`${passwordFile}: ${shown(file)} cannot be read (${read.problem})`]);
    values.bind_password = read.value.replace(/\r?\n$/, '');
  }
  return readDirectory({ values, nameOf: variableOf, places: ['d'], constantFilter: true, readFile });
}

const passwordFile = 'LDAP_BINDPW_FILE';

/** The variable a setting of the directory comes from. */
export const variableOf = (key: DirectoryKey): string => directoryVariables[key][0];

/** All variables as an environment file that gives the same, but for the password. */
function textOf(env: Environment): string {
  const given = (name: string): string => env[name]?.trim() ?? '';
  const own = Object.entries(variables).map(
    ([name, { default: byDefault }]) => [name, given(name) || byDefault] as const,
  );
  const ldap = Object.entries(directoryVariables).map(
    ([key, [name]]) => [name, shownDirectoryText(key as DirectoryKey, given(name))] as const,
  );
  const rows = [...own, ...ldap].map(([name, text]) => ({ name, text, place: 'environment' }));
  return printTable(rows, { equals: '=', place: 'nowhere' });
}
