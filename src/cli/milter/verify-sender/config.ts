/**
 * The reading of spf-milter.conf(5): from its text and the command line's options, which win, to one frozen value, or
 * to all that is wrong with it. The parameters are a table in schema.ts.
 *
 *     key = value    one a line; blank lines and lines that begin with # are ignored; a # further right is part of
 *                    the value
 */
import type { DirectoryOptions } from '../../../directory/directory.js';
import { readDirectoryFile, readDirectoryRows } from '../../../directory/settings.js';
import type { Problems, Result } from '../../../mail/result.js';
import { printable } from '../../../mail/text.js';
import { type ReadFile, tryRead } from '../../../settings/cross-checks.js';
import { printTable } from '../../../settings/print-table.js';
import {
  contentLines,
  type GivenText,
  GivenTexts,
  readLines,
  TableReader,
  unknownName,
  usualComplaint,
} from '../../../settings/read-table.js';
import {
  refusableResults,
  type RefusableResult,
  type ReplyTemplate,
  type ReplyText,
  type VerifySettings,
} from '../../../milter/verify-sender/settings.js';
import { readZoneFile } from '../../../dns/zone.js';
import type { Resolver } from '../../../dns/resolver.js';
import type { Endpoint } from '../../../milter/endpoint.js';
import type { SenderPattern } from '../../../milter/verify-sender/pattern.js';
import { senderPattern } from './config-kinds.js';
import { entries, type ParameterName, type ParameterValues } from './schema.js';

/** What the service around the policy is told. */
type ServiceNames =
  | 'log_destination'
  | 'log_level'
  | 'log_format'
  | 'syslog_facility'
  | 'socket_group'
  | 'user'
  | 'group'
  | 'idle_timeout'
  | 'socket_owner'
  | 'dns_servers'
  | 'stop_timeout'
  | 'workers';

export type MilterConfig = VerifySettings & { readonly [N in ServiceNames]: NonNullable<ParameterValues[N]> } & {
  readonly socket: Endpoint;
  readonly socket_mode: ParameterValues['socket_mode'];
  readonly metrics: ParameterValues['metrics'];
  /** Answers in the place of the DNS, for trials. */
  readonly dns_zone: Resolver | undefined;
};

export interface ConfigInput {
  readonly file: string;
  /** What the command line gives; each name is a parameter's. */
  readonly options: readonly GivenText[];
  /** Text of a file; throws as `node:fs` does. */
  readonly readFile: ReadFile;
  /** A socket that was handed over, `fd:3`: then none needs to be named, and one that is named is not opened. */
  readonly inherited?: string;
}

export interface ReadConfig {
  readonly config: MilterConfig;
  /** All parameters as a file that reads back to the same. */
  readonly text: string;
}

export type LoadedConfig = Result<ReadConfig, Problems>;

export function loadMilterConfig({ file, options, readFile, inherited }: ConfigInput): LoadedConfig {
  const draft = new ConfigDraft(readFile);
  draft.readFile(file);
  draft.takeAll(options);
  if (inherited !== undefined) draft.takeAll([{ name: 'socket', text: inherited, place: 'LISTEN_FDS' }]);
  draft.crossCheck(file);
  if (draft.problems.length > 0) return { ok: false, problem: draft.problems };
  return { ok: true, value: { config: Object.freeze(draft.config()), text: draft.text() } };
}

/** In spf-milter.conf(5) a comment has a line of its own. */
const form = { equals: ' = ', place: 'above' } as const;

/** The parameters as they come together, and what must hold between them. */
class ConfigDraft {
  readonly #readText: ReadFile;
  readonly #reader = new TableReader({ table: entries, complaint: usualComplaint });

  constructor(readText: ReadFile) {
    this.#readText = readText;
    this.#reader.takeDefaults();
  }

  get problems(): readonly string[] {
    return this.#reader.problems;
  }

  readFile(file: string): void {
    const read = tryRead(file, this.#readText);
    if (!read.ok)
      return this.#problem(file, `must be a file that can be read (${read.problem}); another is named by -c`);
    const texts = new GivenTexts(entries.keys(), unknownText);
    readLines(read.value, texts, { file, comments: 'line' });
    this.#reader.problems.push(...texts.problems);
    return this.takeAll(texts.given);
  }

  takeAll(given: readonly GivenText[]): void {
    for (const one of given) this.#reader.take(one);
  }

  crossCheck(file: string): void {
    if (!this.#reader.held('socket') && !this.#reader.isWrong('socket'))
      this.#problem(file, 'socket is missing; a line such as socket = inet:localhost:3000 must be there');
    for (const result of refusableResults) this.#checkReply(result);
    this.#checkSkipFile();
    this.#checkZone();
    this.#checkQuarantine();
    this.#checkDirectory();
  }

  /** RFC 5321 §4.2, RFC 2034 §4: the classes of both codes are one. */
  #checkReply(result: RefusableResult): void {
    const [code, status] = [`${result}_reply_code`, `${result}_status_code`];
    const [one, other] = [this.#reader.held(code), this.#reader.held(status)];
    if (!one || !other || one.text[0] === other.text[0]) return;
    if (this.#reader.isWrong(code) || this.#reader.isWrong(status)) return;
    const [blamed, beside] = other.place === 'default' ? [one, other] : [other, one];
    this.#reader.blame(blamed, `must begin with the same digit as ${beside.name}, which is ${beside.text}`);
  }

  /** Its entries join those of skip_senders. */
  #checkSkipFile(): void {
    const held = this.#reader.held('skip_senders_file');
    if (!held) return;
    const read = tryRead(held.text, this.#readText);
    if (!read.ok) return this.#reader.blame(held, `must be a file that can be read (${read.problem})`);
    const patterns: SenderPattern[] = [];
    for (const [number, line] of contentLines(read.value, 'line')) {
      const parsed = senderPattern.parse(line);
      if (parsed.ok) patterns.push(parsed.value);
      else this.#problem(`${held.text}:${number}`, `${printable(line, 60)}: ${parsed.problem}`);
    }
    const inline = this.#reader.held('skip_senders');
    if (inline) this.#reader.replace(inline, [...(inline.value as SenderPattern[]), ...patterns]);
    return undefined;
  }

  #checkZone(): void {
    const held = this.#reader.held('dns_zone');
    if (!held || held.text === '') return;
    const read = tryRead(held.text, this.#readText);
    const zone = read.ok ? readZoneFile(read.value) : undefined;
    if (!read.ok) this.#reader.blame(held, `must be a file that can be read (${read.problem})`);
    else if (zone?.ok) this.#reader.replace(held, zone.value);
    else if (zone) this.#reader.blame(held, zone.problem);
  }

  /** A file of its own, for it may hold a password. */
  #checkDirectory(): void {
    const held = this.#reader.held('own_domains_ldap');
    if (!held || held.text === '') return;
    const read = readDirectoryFile(held.text, { places: ['d'], readFile: this.#readText });
    if (read.ok) this.#reader.replace(held, read.value);
    else for (const problem of read.problem) this.#problem(held.place, `own_domains_ldap = ${printable(problem, 400)}`);
  }

  #checkQuarantine(): void {
    const held = this.#reader.held('quarantine_results');
    const { quarantine_results, reject_results } = this.#values();
    const both = [...(quarantine_results ?? [])].filter((result) => reject_results?.has(result));
    if (held && both.length > 0)
      this.#reader.blame(held, `must not hold ${both.join(', ')}, refused by reject_results`);
  }

  #values(): ParameterValues {
    return this.#reader.values() as unknown as ParameterValues;
  }

  /** Complete, for there are no problems. */
  config(): MilterConfig {
    const values = this.#values();
    const template = (result: RefusableResult): ReplyTemplate => ({
      code: this.#reader.held(`${result}_reply_code`)?.value as number,
      enhanced: this.#reader.held(`${result}_status_code`)?.value as string,
      text: this.#reader.held(`${result}_reply_text`)?.value as ReplyText,
    });
    return {
      ...(values as { readonly [N in ParameterName]: NonNullable<ParameterValues[N]> }),
      hostname: values.hostname,
      authserv_id: values.authserv_id,
      socket_mode: values.socket_mode,
      metrics: values.metrics,
      dns_zone: (this.#reader.held('dns_zone')?.value || undefined) as Resolver | undefined,
      own_domains_ldap: (this.#reader.held('own_domains_ldap')?.value || undefined) as DirectoryOptions | undefined,
      reject_helo_results: values.reject_helo_results ?? values.reject_results ?? new Set(),
      delete_incoming_authentication_results:
        values.delete_incoming_authentication_results ?? values.header?.includes('Authentication-Results') ?? false,
      replies: Object.fromEntries(refusableResults.map((result) => [result, template(result)])) as Record<
        RefusableResult,
        ReplyTemplate
      >,
    };
  }

  /** All parameters as a file that reads back to the same, each behind the place it comes from. */
  text(): string {
    return this.#reader
      .all()
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((row) => printTable([row], form) + (row.name === 'own_domains_ldap' ? this.#directoryText(row.text) : ''))
      .join('');
  }

  /** The settings of the directory, which are a file of their own, as comments. */
  #directoryText(file: string): string {
    const rows = file === '' ? undefined : readDirectoryRows(file, this.#readText);
    return rows?.ok ? printTable(rows.value, form).replace(/^/gm, '#   ').replace(/#   $/, '') : '';
  }

  #problem(place: string, what: string): void {
    this.#reader.problems.push(`${printable(place, 200)}: ${what}`);
  }
}

const unknownText = (name: string): string =>
  unknownName(name, {
    names: entries.keys(),
    what: 'parameter',
    otherwise: 'postern milter --print-config lists those there are',
  });

/** Parameters that hold for the whole run: a reload leaves them as they were. */
const needRestart = [
  ...(['socket', 'log_destination', 'log_level', 'syslog_facility'] as const),
  ...(['log_format', 'socket_mode', 'socket_owner', 'socket_group', 'metrics', 'workers', 'stop_timeout'] as const),
  ...(['user', 'group', 'idle_timeout'] as const),
] satisfies readonly (keyof MilterConfig)[];

export const changedForRestart = (a: MilterConfig, b: MilterConfig): string[] =>
  needRestart.filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
