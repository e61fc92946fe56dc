/**
 * The reading of spf-milter.conf(5): from its text and the command line's options, which win, to one frozen value, or to
 * all that is wrong with it. The parameters are a table in milter-schema.ts.
 *
 *     key = value    one a line; blank lines and lines that begin with # are ignored; a # further right is part of the value
 */
import type { DirectoryOptions } from '../../../directory/directory.js';
import { readDirectoryFile } from '../../../directory/settings.js';
import { printable } from '../../../mail/text.js';
import { type ReadFile, tryRead } from '../../../settings/cross-checks.js';
import { nearest } from '../../../settings/nearest.js';
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

export interface GivenParameter {
  readonly name: string;
  readonly text: string;
  /** `/etc/spf-milter.conf:12`, `--socket`. */
  readonly place: string;
}

export interface ConfigInput {
  readonly file: string;
  /** Of the command line; each name is a parameter's. */
  readonly options: readonly GivenParameter[];
  /** Text of a file; throws as `node:fs` does. */
  readonly readFile: ReadFile;
  /** A socket that was handed over, `fd:3`: then none needs to be named, and one that is named is not opened. */
  readonly inherited?: string;
}

export type LoadedConfig =
  | { readonly ok: true; readonly config: MilterConfig; readonly text: string }
  /** One line each, safe to print: the place, the value, what would be right. */
  | { readonly ok: false; readonly problems: readonly string[] };

export function loadMilterConfig({ file, options, readFile, inherited }: ConfigInput): LoadedConfig {
  const draft = new ConfigDraft(readFile);
  for (const [name, { default: text }] of entries) if (text !== undefined) draft.take({ name, text, place: 'default' });
  draft.readFile(file);
  for (const given of options) draft.take(given);
  if (inherited !== undefined) draft.take({ name: 'socket', text: inherited, place: 'LISTEN_FDS' });
  draft.crossCheck(file);
  if (draft.problems.length > 0) return { ok: false, problems: draft.problems };
  return { ok: true, config: Object.freeze(draft.config()), text: draft.text() };
}

interface HeldParameter {
  readonly value: unknown;
  readonly text: string;
  readonly place: string;
}

/** The parameters as they come together: later places win, every value is checked, also one that is overridden. */
class ConfigDraft {
  readonly problems: string[] = [];
  readonly #readText: ReadFile;
  readonly #held = new Map<string, HeldParameter>();
  readonly #wrong = new Set<string>();

  constructor(readText: ReadFile) {
    this.#readText = readText;
  }

  readFile(file: string): void {
    const read = tryRead(file, this.#readText);
    if (!read.ok) return this.#problem(file, `must be a file that can be read (${read.why}); another is named by -c`);
    const lines = new Map<string, number>();
    for (const [i, line] of linesOf(read.text)) this.#line(line, { file, number: i, lines });
  }

  #line(line: string, { file, number, lines }: { file: string; number: number; lines: Map<string, number> }): void {
    const place = `${file}:${number}`;
    const equals = line.indexOf('=');
    if (equals < 0) return this.#problem(place, `${printable(line, 60)}: must be KEY = VALUE, or begin with #`);
    const name = line.slice(0, equals).trim();
    if (!entries.has(name)) return this.#problem(place, unknownText(name));
    const earlier = lines.get(name);
    if (earlier !== undefined)
      return this.#problem(place, `${name} is given twice, first in line ${earlier}; keep one`);
    lines.set(name, number);
    return this.take({ name, text: line.slice(equals + 1).trim(), place });
  }

  take({ name, text, place }: GivenParameter): void {
    const parsed = entries.get(name)?.kind.parse(text);
    if (parsed?.ok) this.#held.set(name, { value: parsed.value, text, place });
    else this.#blame(name, { text, place }, parsed?.problem ?? unknownText(name));
  }

  crossCheck(file: string): void {
    if (!this.#held.has('socket') && !this.#wrong.has('socket'))
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
    const [one, other] = [this.#held.get(code), this.#held.get(status)];
    if (!one || !other || one.text[0] === other.text[0] || this.#wrong.has(code) || this.#wrong.has(status)) return;
    const [blamed, held, beside] = other.place === 'default' ? [code, one, other] : [status, other, one];
    const besideName = blamed === code ? status : code;
    this.#blame(blamed, held, `must begin with the same digit as ${besideName}, which is ${beside.text}`);
  }

  /** Its entries join those of skip_senders. */
  #checkSkipFile(): void {
    const held = this.#held.get('skip_senders_file');
    if (!held) return;
    const read = tryRead(held.text, this.#readText);
    if (!read.ok) return this.#blame('skip_senders_file', held, `must be a file that can be read (${read.why})`);
    const patterns: SenderPattern[] = [];
    for (const [number, line] of linesOf(read.text)) {
      const parsed = senderPattern.parse(line);
      if (parsed.ok) patterns.push(parsed.value);
      else this.#problem(`${held.text}:${number}`, `${printable(line, 60)}: ${parsed.problem}`);
    }
    const inline = this.#held.get('skip_senders');
    if (inline)
      this.#held.set('skip_senders', { ...inline, value: [...(inline.value as SenderPattern[]), ...patterns] });
    return undefined;
  }

  #checkZone(): void {
    const held = this.#held.get('dns_zone');
    if (!held || held.text === '') return;
    const read = tryRead(held.text, this.#readText);
    const zone = read.ok ? readZoneFile(read.text) : undefined;
    if (!read.ok) this.#blame('dns_zone', held, `must be a file that can be read (${read.why})`);
    else if (zone?.kind === 'bad') this.#blame('dns_zone', held, zone.problem);
    else if (zone) this.#held.set('dns_zone', { ...held, value: zone.resolver });
  }

  /** A file of its own, for it may hold a password. */
  #checkDirectory(): void {
    const held = this.#held.get('own_domains_ldap');
    if (!held || held.text === '') return;
    const read = readDirectoryFile(held.text, { places: ['d'], readFile: this.#readText });
    if (read.ok) this.#held.set('own_domains_ldap', { ...held, value: read.options });
    else
      for (const problem of read.problems) this.#problem(held.place, `own_domains_ldap = ${printable(problem, 400)}`);
  }

  #checkQuarantine(): void {
    const held = this.#held.get('quarantine_results');
    const { quarantine_results, reject_results } = this.#values();
    const both = [...(quarantine_results ?? [])].filter((result) => reject_results?.has(result));
    if (held && both.length > 0)
      this.#blame('quarantine_results', held, `must not hold ${both.join(', ')}, refused by reject_results`);
  }

  #values(): ParameterValues {
    return Object.fromEntries([...this.#held].map(([name, { value }]) => [name, value])) as unknown as ParameterValues;
  }

  /** Complete, for there are no problems. */
  config(): MilterConfig {
    const values = this.#values();
    const template = (result: RefusableResult): ReplyTemplate => ({
      code: this.#held.get(`${result}_reply_code`)?.value as number,
      enhanced: this.#held.get(`${result}_status_code`)?.value as string,
      text: this.#held.get(`${result}_reply_text`)?.value as ReplyText,
    });
    return {
      ...(values as { readonly [N in ParameterName]: NonNullable<ParameterValues[N]> }),
      hostname: values.hostname,
      authserv_id: values.authserv_id,
      socket_mode: values.socket_mode,
      metrics: values.metrics,
      dns_zone: (this.#held.get('dns_zone')?.value || undefined) as Resolver | undefined,
      own_domains_ldap: (this.#held.get('own_domains_ldap')?.value || undefined) as DirectoryOptions | undefined,
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
    return [...this.#held]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { text, place }]) =>
        `${place === 'default' ? '' : `# ${printable(place)}\n`}${name} = ${text}`.trimEnd(),
      )
      .join('\n')
      .concat('\n');
  }

  #blame(name: string, { text, place }: Pick<HeldParameter, 'text' | 'place'>, problem: string): void {
    this.#wrong.add(name);
    this.#problem(place, `${printable(name, 60)} = ${printable(text, 80)}: ${printable(problem, 400)}`);
  }

  #problem(place: string, what: string): void {
    this.problems.push(`${printable(place, 200)}: ${what}`);
  }
}

/** What is not blank and no comment, trimmed, with its number. */
function linesOf(text: string): [number: number, line: string][] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line, i): [number, string] => [i + 1, line.trim()])
    .filter(([, line]) => line !== '' && !line.startsWith('#'));
}

function unknownText(name: string): string {
  const meant = nearest(name.toLowerCase().replaceAll('-', '_'), entries.keys());
  const hint = meant === undefined ? 'postern milter --print-config lists those there are' : `did you mean ${meant}?`;
  return `${printable(name, 60)} is no parameter; ${hint}`;
}

/** Parameters that hold for the whole run: a reload leaves them as they were. */
const needRestart = [
  ...(['socket', 'log_destination', 'log_level', 'syslog_facility'] as const),
  ...(['log_format', 'socket_mode', 'socket_owner', 'socket_group', 'metrics', 'workers', 'stop_timeout'] as const),
] satisfies readonly (keyof MilterConfig)[];

export const changedForRestart = (a: MilterConfig, b: MilterConfig): string[] =>
  needRestart.filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
