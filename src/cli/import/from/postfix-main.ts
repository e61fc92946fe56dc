/** main.cf and master.cf as Postfix reads them: logical lines, `$name` in values, the -o of the smtpd on port 25. */
import { type ForeignFolder, rowOf } from '../foreign.js';

/** What Postfix has where main.cf says nothing, as far as it is asked for. */
const defaults: Readonly<Record<string, string>> = {
  mydestination: '$myhostname, localhost.$mydomain, localhost',
  virtual_alias_domains: '$virtual_alias_maps',
  queue_directory: '/var/spool/postfix',
  postscreen_dnsbl_threshold: '1',
  postscreen_dnsbl_action: 'ignore',
  config_directory: '/etc/postfix',
  data_directory: '/var/lib/postfix',
};

const maxDepth = 20;
/** What is filled in, in all, of names in names: what grows beyond it is no list that anybody has written. */
const maxFilledIn = 1_000_000;

export class PostfixMain {
  readonly #values: ReadonlyMap<string, string>;
  /** Does postscreen have port 25? */
  readonly hasPostscreen: boolean;

  constructor(folder: ForeignFolder) {
    const main = logicalLines(folder.text('main.cf') ?? '').flatMap((line) => {
      const [, name, value = ''] = /^([^\s=]+)\s*=\s*(.*)$/s.exec(line) ?? [];
      return name === undefined ? [] : [[name, value] as const];
    });
    const services = logicalLines(folder.text('master.cf') ?? '');
    const port25 = services.filter((line) => /^(?:\S*:)?(?:smtp|25)\s+inet\s/.test(line));
    this.hasPostscreen = port25.some((line) => /\spostscreen(?:\s|$)/.test(line));
    const smtpd = this.hasPostscreen ? services.filter((line) => /^smtpd\s+pass\s/.test(line)) : port25;
    this.#values = new Map([...main, ...smtpd.flatMap(overrides)]);
  }

  /** The value with its `$name` filled in; undefined where neither main.cf nor master.cf says anything. */
  said(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === undefined ? undefined : this.#expanded(value);
  }

  /** … or Postfix's default, '' where we do not know it. */
  get(name: string): string {
    return this.#expanded(this.#values.get(name) ?? rowOf(defaults, name) ?? '');
  }

  words(name: string): readonly string[] {
    return this.get(name)
      .split(/[\s,]+/)
      .filter((word) => word !== '');
  }

  /** `$name`, `${name}`, `$(name)`; `${name?text}` and `${name:text}` where it is set, and where not. */
  #expanded(value: string, room = { left: maxFilledIn }, depth = 0): string {
    if (depth > maxDepth || room.left < 0) return '';
    room.left -= value.length + 1;
    return value.replaceAll(/\$\$|\$(\w+)|\$[{(](\w+)(?:([?:])([^})]*))?[})]/g, (whole, plain, braced, test, text) => {
      if (whole === '$$') return '$';
      const name = String(plain ?? braced);
      const known = this.#values.get(name) ?? (name === 'mydomain' ? this.#mydomain() : rowOf(defaults, name)) ?? '';
      if (test === undefined) return this.#expanded(known, room, depth + 1);
      return (test === '?') === (known !== '') ? this.#expanded(String(text), room, depth + 1) : '';
    });
  }

  #mydomain(): string {
    return (this.#values.get('myhostname') ?? '').replace(/^[^.]+\./, '');
  }
}

/** Lines that begin with white space go on with the one before. */
export function logicalLines(text: string): readonly string[] {
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    if (/^\s/.test(line) && lines.length > 0) lines.push(`${lines.pop() ?? ''} ${line.trim()}`);
    else lines.push(line.trimEnd());
  }
  return lines;
}

/** `-o name=value` and `-o { name = value }` of a line of master.cf. */
function overrides(line: string): readonly (readonly [name: string, value: string])[] {
  return [...line.matchAll(/-o\s+(?:\{\s*([\w]+)\s*=\s*([^}]*?)\s*\}|(\w+)=(\S*))/g)].map(
    ([, name, value, plain, text]) => [name ?? plain ?? '', value ?? text ?? ''] as const,
  );
}
