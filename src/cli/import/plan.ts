/**
 * What coming over from another program comes to: steps, each of which can be done twice and is done once, and notes
 * for the operator. A source reads foreign files and writes a plan; printing it, and doing it, are others' business.
 */
import { readZone } from '../../../plugins/shared/zone-line.js';
import { parseAddress } from '../../mail/address.js';
import { parseDomain } from '../../mail/domain.js';
import { printable } from '../../mail/text.js';
import type { SettingName } from '../../settings/schema.js';
import { type NamedKind, readName } from '../../srv/marker-names.js';

/** Its `from` says where it was found: `smtp.ini: listen`. */
export type ImportStep =
  /** A marker, relative to /srv; one whose path ends in a slash is a folder. */
  | { readonly kind: 'marker'; readonly path: string; readonly text: string; readonly from: string }
  | {
      readonly kind: 'line';
      readonly domain: string;
      readonly list: DomainFile;
      readonly line: string;
      readonly from: string;
    }
  | { readonly kind: 'setting'; readonly name: SettingName; readonly value: string; readonly from: string }
  /** A line of the list of plugins, which takes the place of the one that ships with postern. */
  | { readonly kind: 'plugin'; readonly line: string; readonly from: string }
  /** A whole file; `isSecret`: nobody but its owner may read it. */
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly text: string;
      readonly isSecret: boolean;
      readonly from: string;
    }
  | { readonly kind: 'move'; readonly path: string; readonly to: string; readonly from: string };

/** Files of a domain that hold lines. */
export type DomainFile = 'zones' | 'domain_zones' | 'uri_zones' | 'score' | 'relay';

/** `first`: before anything else; `by hand`: no program can know; `differs`: on purpose; `none`: no counterpart. */
export type NoteKind = 'first' | 'by hand' | 'differs' | 'none';

export interface ImportNote {
  readonly kind: NoteKind;
  readonly from: string;
  readonly text: string;
}

export interface ImportPlan {
  readonly steps: readonly ImportStep[];
  readonly notes: readonly ImportNote[];
}

/** A plan while it is written. What is said twice stands in it once; what can never count becomes a note. */
export class PlanDraft implements ImportPlan {
  readonly steps: ImportStep[] = [];
  readonly notes: ImportNote[] = [];
  readonly #known = new Set<string>();
  readonly #domains = new Set<string>();
  readonly #existing: ReadonlySet<string>;

  /** `existing` are the names of folders in /srv: what is there is hosted, whatever the plan adds. */
  constructor(existing: readonly string[] = []) {
    this.#existing = new Set(existing.flatMap((name) => parseDomain(name) ?? []));
  }

  /** The domains that the plan has hosted until now. */
  get domains(): readonly string[] {
    return [...this.#domains];
  }

  /** The domain is hosted. Undefined where it is none. */
  host(text: string, from: string): string | undefined {
    const domain = parseDomain(text);
    if (domain === undefined || domain === '_global_') {
      this.note('by hand', from, `"${printable(text, 80)}" is no domain`);
      return undefined;
    }
    if (!this.#domains.has(domain)) {
      this.#domains.add(domain);
      this.#marker(`${domain}/users/valid/`, '', from);
    }
    return domain;
  }

  /** What holds for all domains holds for those that are in /srv, too. */
  takeExisting(): void {
    for (const domain of this.#existing) this.#domains.add(domain);
  }

  /** Everybody of the domain has a mailbox. */
  hostAll(text: string, from: string): string | undefined {
    const domain = this.host(text, from);
    if (domain !== undefined) this.#marker(`${domain}/users/valid/*`, '', from);
    return domain;
  }

  /** An address whose mail is taken, or whose mailbox is closed. */
  user(text: string, which: 'valid' | 'invalid', from: string): void {
    this.#ofDomain(text, `users/${which}`, from);
  }

  /** An address mail to which is never rejected. */
  recipient(text: string, from: string): void {
    this.#ofDomain(text, 'whitelisted/recipients', from);
  }

  /** A marker of a recipient must not make its domain a hosted one. */
  #ofDomain(text: string, kind: NamedKind, from: string): void {
    const address = parseAddress(text);
    if (address === undefined) this.note('by hand', from, `"${printable(text, 80)}" can be no user`);
    else if (!this.#domains.has(address.domain) && !this.#existing.has(address.domain))
      this.note('by hand', from, `${printable(text, 80)} is of no hosted domain`);
    else this.listed(address.domain, kind, address.localPart, from);
  }

  /** An entry of a list; a name that can never match is mended where that is sure. */
  listed(scope: string, kind: NamedKind, typed: string, from: string): void {
    const read = readName(kind, typed);
    const name = read.kind === 'good' ? read.name : read.right;
    const isGood = name !== undefined && readName(kind, name).kind === 'good';
    if (isGood) this.#marker(`${scope}/${kind}/${name}`, '', from);
    else this.note('by hand', from, `"${printable(typed, 80)}" ${read.kind === 'wrong' ? read.why : 'is no name'}`);
  }

  /** A sender in whatever form lists have: an address, `@example.org`, or `example.org`. */
  sender(which: 'blacklisted' | 'whitelisted', typed: string, from: string): void {
    const domain = /^@?([^@]+)$/.exec(typed)?.[1];
    this.listed('_global_', domain === undefined ? `${which}/senders` : `${which}/domains`, domain ?? typed, from);
  }

  /** The check is on for all domains that are hosted by then. */
  check(name: string, from: string, text = ''): void {
    for (const domain of this.#domains) this.#marker(`${domain}/checks/${name}`, text, from);
  }

  /** A line of a domain's own file, such as a zone to ask. */
  line(domain: string, list: DomainFile, line: string, from: string): void {
    this.#step(`${domain}/${list}/${line}`, { kind: 'line', domain, list, line, from });
  }

  /** The line holds for all domains that are hosted by then; a zone must be one. */
  lineOfAll(list: Exclude<DomainFile, 'relay'>, line: string, from: string): void {
    if (list !== 'score' && readZone(line) === undefined)
      this.note('by hand', from, `"${printable(line, 200)}" is no line of ${list}`);
    else for (const domain of this.#domains) this.line(domain, list, line, from);
  }

  /** The first of two values for one setting holds. */
  setting(name: SettingName, value: string, from: string): void {
    const known = this.steps.find((step) => step.kind === 'setting' && step.name === name);
    if (known?.kind === 'setting' && known.value !== value)
      this.note('by hand', from, `${name} = ${value} was not taken, for ${known.from} says ${known.value}`);
    else this.#step(`setting ${name}`, { kind: 'setting', name, value, from });
  }

  plugin(line: string, from: string): void {
    this.#step(`plugin ${line}`, { kind: 'plugin', line, from });
  }

  file(path: string, text: string, from: string, isSecret = false): void {
    this.#step(`file ${path}`, { kind: 'file', path, text, isSecret, from });
  }

  move(path: string, to: string, from: string): void {
    this.#step(`move ${path}`, { kind: 'move', path, to, from });
  }

  note(kind: NoteKind, from: string, text: string): void {
    const key = `${kind} ${from} ${text}`;
    if (!this.#known.has(key)) this.notes.push({ kind, from, text });
    this.#known.add(key);
  }

  #marker(path: string, text: string, from: string): void {
    this.#step(path, { kind: 'marker', path, text, from });
  }

  #step(key: string, step: ImportStep): void {
    if (!this.#known.has(key)) this.steps.push(step);
    this.#known.add(key);
  }
}
