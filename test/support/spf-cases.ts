/**
 * Random SPF cases from a seed: a client, its words, and a zone with records that are mostly what domains publish and
 * now and then what they should not. The same seed gives the same case.
 *
 * The zone grows while postern evaluates the case: a name that is asked for is given something to answer, or nothing.
 * So the names that macros make exist too, and evaluations go deep. What is named but was not asked for is added
 * after it.
 */
import { parseIp, type Ip } from '../../src/mail/ip.js';
import { zoneResolver } from '../../src/dns/zone.js';
import type { RecordType, Resolver } from '../../src/dns/resolver.js';
import { checkHost } from '../../src/spf/check-host.js';

/** What a zone holds of a name, in the map form of the test suite's zone data. */
export interface ZoneItems {
  TXT?: string[][];
  A?: string[];
  AAAA?: string[];
  MX?: [number, string][];
  PTR?: string[];
  CNAME?: string;
  timeout?: boolean;
}

/** What SPF asks for. */
type SpfType = 'A' | 'AAAA' | 'MX' | 'TXT' | 'PTR';

export interface SpfCase {
  readonly ip: string;
  readonly helo: string;
  readonly from: string;
  readonly zone: Record<string, ZoneItems>;
}

export const receiver = 'mx.receiver.example';
/** The time of every case, in seconds since 1970. */
export const now = 1_700_000_000;

export function randomSpfCase(seed: number): SpfCase {
  const dice = new Dice(seed);
  const ip = randomClient(dice);
  const client = parseIp(ip);
  if (!client) throw new Error(`${ip} is no address`);
  const domain = dice.chance(0.96) ? dice.pick(domains) : randomName(dice);
  const helo = randomHelo(dice);
  const from = dice.chance(0.06) ? '' : randomSender(dice, domain);
  const zone = new GrowingZone(dice, client);
  const resolver: Resolver = { lookup: (name, type) => zone.answer(name, type) };
  // The zone answers at once, and so does the engine.
  void checkHost({ ip: client, helo, from, receiver }, { resolver, now: () => now * 1000 });
  zone.addWhatIsNamed();
  return { ip, helo, from, zone: zone.items() };
}

/** Chance, repeatable: mulberry32. */
class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1);
  }
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  chance(probability: number): boolean {
    return this.next() < probability;
  }
  /** 0 … below */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }
  between(min: number, max: number): number {
    return min + this.int(max - min + 1);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)] as T;
  }
  times<T>(count: number, make: (i: number) => T): T[] {
    return Array.from({ length: count }, (_, i) => make(i));
  }
  /** One of the makers, by weight. */
  weighed<T>(makers: readonly (readonly [weight: number, make: () => T])[]): T {
    let left = this.next() * makers.reduce((sum, [weight]) => sum + weight, 0);
    const found = makers.find(([weight]) => (left -= weight) < 0) ?? makers[0];
    if (!found) throw new Error('nothing to choose from');
    return found[1]();
  }
}

const domains = [
  'example.org',
  'example.com',
  'sub.example.org',
  'Mail.Example.NET',
  'ex-ample.org',
  'b_c.example.com',
];
const policies = ['spf.example.net', '_spf.example.com', 'a.spf.example.net', 'b.spf.example.net', 'other.example'];
const hosts = [
  'host.example.org',
  'mx1.example.org',
  'mx2.example.com',
  'out.example.net',
  'Host.Example.com',
  'example.org',
];
const explainers = ['exp.example.org', 'explain.example.com', 'exp._spf.example.net'];
const clients4 = ['192.0.2.1', '192.0.2.77', '198.51.100.9', '10.1.2.3', '203.0.113.255'];
const clients6 = ['2001:db8::1', '2001:DB8:0:0:1::abcd', 'fe80::1', '2001:db8:cafe:1:2:3:4:5', '::1'];
const mapped = ['::ffff:192.0.2.1', '::FFFF:c000:24d', '0:0:0:0:0:ffff:198.51.100.9'];

function randomClient(dice: Dice): string {
  return dice.pick(
    dice.weighed([
      [65, () => clients4],
      [27, () => clients6],
      [8, () => mapped],
    ]),
  );
}

function randomHelo(dice: Dice): string {
  if (dice.chance(0.8)) return dice.pick(['mail.example.net', 'host.example.org', 'example.org', 'HELO.Example.com']);
  return dice.pick([
    'localhost',
    '[192.0.2.1]',
    'under_score.example.org',
    'dot.example.org.',
    'a..b.example',
    'x'.repeat(64) + '.example',
    'odd$&name.example.org',
    'one two.example.org',
    'OEM',
  ]);
}

function randomSender(dice: Dice, domain: string): string {
  if (dice.chance(0.015)) return domain;
  if (dice.chance(0.01)) return `${randomLocalPart(dice)}@${domain}.`;
  return `${randomLocalPart(dice)}@${domain}`;
}

function randomLocalPart(dice: Dice): string {
  return dice.weighed([
    [
      60,
      () =>
        dice.pick([
          'user',
          'strong-bad',
          'a.b.c',
          'User.Name',
          'first-last+tag',
          'bounce=1234=x_y',
          'news_letter',
          'a/b,c',
        ]),
    ],
    [8, () => dice.pick(['"quoted"', '"a b"', '"dot.in.side"'])],
    [3, () => dice.pick(['"at@sign"', '"a@b@c"', 'x@y'])],
    [
      10,
      () =>
        dice.pick(["o'neil", 'x$&y', '!#$%&*', '{brace}', 'a^b|c', '~tilde`', 'a?b', '(paren)', 'semi;colon', '<x>']),
    ],
    [5, () => dice.pick(['a..b', '.lead', 'trail-', '-', '--a', 'a+-b', '+'])],
    [2, () => 'l'.repeat(dice.pick([63, 64, 65, 120]))],
    [1, () => ''],
    [1, () => dice.pick(['jürgen', 'ユーザー'])],
  ]);
}

/** Names as they stand in records, mails and answers, some of them odd. */
function randomName(dice: Dice): string {
  return dice.weighed([
    [20, () => dice.pick(hosts)],
    [
      4,
      () =>
        dice.pick([`${dice.pick(hosts)}.`, 'under_score.example.org', 'x.y.z.example.com', 'xn--bcher-kva.example']),
    ],
    [
      2,
      () =>
        dice.pick(['a..example.org', '.example.org', `${'l'.repeat(64)}.example.org`, `${'l'.repeat(63)}.example.org`]),
    ],
    [1, () => dice.times(5, () => 'n'.repeat(50)).join('.') + '.example.org'],
    [
      2,
      () =>
        dice.pick([
          'localhost',
          'example',
          '[192.0.2.1]',
          'com.',
          'example.123',
          'a.b-',
          'a.-b',
          'host.1com',
          'host.c-m',
          'bücher.example',
        ]),
    ],
  ]);
}

const odd = [
  '',
  '%',
  '%(d)',
  '%{d',
  '%{}',
  '%{x}.example.org',
  '%{d0}.example.org',
  '%{dr1}.example.org',
  '%{d1!}.example.org',
  '%{c}.example.org',
  '%{r}.example.org',
  '%{t}.example.org',
  '%{d}x',
  '%{d}.',
  '%{d}.1',
  'foo:8080',
  'example.org:25',
  'example.org/',
  'a/b.example.org',
  'example..org',
  'example.org..',
  '*.example.org',
  '%_.example.org',
  '%-.example.org',
  '%%.example.org',
  '1.2.3.4',
  'example.org,',
  '"example.org"',
  'b\xfccher.example',
  'tab\t.example.org',
  'del\x7f.example.org',
];

/** Made as it is asked for. */
class GrowingZone {
  readonly #dice: Dice;
  readonly #client: Ip;
  readonly #items = new Map<string, ZoneItems | null>();
  #policies = 0;

  constructor(dice: Dice, client: Ip) {
    this.#dice = dice;
    this.#client = client;
  }

  answer(name: string, type: RecordType): never {
    this.#grow(keyOf(name), type as SpfType);
    return zoneResolver(this.items()).lookup(name, type) as never;
  }

  items(): Record<string, ZoneItems> {
    return Object.fromEntries([...this.#items].flatMap(([name, items]) => (items ? [[name, items]] : [])));
  }

  /** The targets of answers and of terms without macros. */
  addWhatIsNamed(): void {
    for (let round = 0; round < 3; round++) {
      for (const items of this.#items.values()) {
        for (const [, host] of items?.MX ?? []) this.#grow(keyOf(host), this.#addressType);
        for (const host of items?.PTR ?? []) this.#grow(keyOf(host), this.#addressType);
        for (const text of items?.TXT?.flat() ?? []) {
          for (const [, name = ''] of text.matchAll(/\b(?:include|redirect)[:=]([^ %/]+)(?= |$)/g))
            this.#grow(keyOf(name), 'TXT');
          for (const [, name = ''] of text.matchAll(/\ba:([^ %/]+)(?= |$)/g))
            this.#grow(keyOf(name), this.#addressType);
          for (const [, name = ''] of text.matchAll(/\bmx:([^ %/]+)(?= |$)/g)) this.#grow(keyOf(name), 'MX');
        }
      }
      if (this.#items.size > 60) return;
    }
  }

  get #addressType(): 'A' | 'AAAA' {
    return this.#client.family === 4 ? 'A' : 'AAAA';
  }

  #grow(name: string, type: SpfType): void {
    const dice = this.#dice;
    if (!canExist(name)) return;
    const known = this.#items.get(name);
    if (known === null || known?.[type] || known?.CNAME !== undefined || known?.timeout !== undefined) return;
    if (known && dice.chance(0.3)) return;
    const isNew = !known;
    if (isNew && dice.chance(type === 'TXT' ? 0.03 : type === 'PTR' ? 0.2 : 0.13)) {
      this.#items.set(name, null);
      return;
    }
    const items = known ?? {};
    this.#items.set(name, items);
    if (dice.chance(0.015)) {
      items.timeout = true;
    } else if (isNew && dice.chance(0.03)) {
      items.CNAME = dice.chance(0.15) ? name : dice.pick(hosts);
      this.#grow(keyOf(items.CNAME), type);
    } else {
      this.#fill(name, items, type);
    }
  }

  #fill(name: string, items: ZoneItems, type: RecordType): void {
    const dice = this.#dice;
    switch (type) {
      case 'A':
        items.A = dice.times(dice.pick([1, 1, 2, 3]), () => this.#address4());
        return;
      case 'AAAA':
        items.AAAA = dice.times(dice.pick([1, 1, 2, 3]), () => this.#address6());
        if (dice.chance(0.5)) items.A = [this.#address4()];
        return;
      case 'MX':
        items.MX = this.#mxs();
        return;
      case 'PTR':
        items.PTR = dice.times(dice.chance(0.05) ? dice.between(10, 13) : dice.pick([1, 1, 2, 3]), (i) =>
          this.#pointer(i),
        );
        return;
      case 'TXT':
        items.TXT = this.#texts(name);
    }
  }

  #address4(): string {
    const dice = this.#dice;
    const own = this.#client.family === 4 ? this.#client.text : dice.pick(clients4);
    if (dice.chance(0.3)) return own;
    if (dice.chance(0.4)) return own.replace(/\d+$/, () => String(dice.int(256)));
    return dice.pick(clients4);
  }

  #address6(): string {
    const dice = this.#dice;
    const own = this.#client.family === 6 ? this.#client.text : dice.pick(clients6);
    if (dice.chance(0.3)) return own;
    if (dice.chance(0.1)) return dice.pick(mapped);
    return dice.chance(0.4) ? '2001:db8::' + dice.int(65_536).toString(16) : dice.pick(clients6);
  }

  /** In the order of their preferences, mostly; no two with the same, whose order would be open. */
  #mxs(): [number, string][] {
    const dice = this.#dice;
    if (dice.chance(0.04)) return [[0, dice.pick(['', '.'])]];
    const count = dice.chance(0.05) ? dice.between(9, 12) : dice.pick([1, 1, 2, 2, 3, 4]);
    const list = dice.times(count, (i): [number, string] => [
      i * 10,
      count > 4 ? `mx${i}.many.example` : this.#exchange(),
    ]);
    return dice.chance(0.15) ? list.reverse() : list;
  }

  #exchange(): string {
    const name = randomName(this.#dice).replace(/[^\x20-\x7e]/g, 'x');
    return canExist(keyOf(name)) ? name : 'mail.example.org';
  }

  #pointer(i: number): string {
    const dice = this.#dice;
    return dice.weighed([
      [4, () => dice.pick([...domains, ...hosts])],
      [3, () => `p${i}.${dice.pick([...domains, ...policies])}`],
      [1, () => dice.pick(['notexample.org', 'example.org.evil.example', 'odd name!.example.org', 'EXAMPLE.ORG.'])],
    ]);
  }

  #texts(name: string): string[][] {
    const dice = this.#dice;
    const isExplanation = /^(?:exp|why)/.test(name);
    const text = isExplanation ? randomExplanation(dice) : this.#policy();
    const list = dice.chance(0.94) ? [this.#split(text)] : [];
    if (dice.chance(0.06)) list.push(['google-site-verification=abc']);
    if (dice.chance(0.03)) list.unshift(['l\xe4stig', '\xff']);
    if (dice.chance(0.02)) list.push([isExplanation ? 'another' : 'v=spf1 -all']);
    if (dice.chance(0.02))
      list.push([
        dice.pick(['v=spf10 +all', 'v=spf1+all', 'V=SPF2 -all', ' v=spf1 +all', 'v=spf1\t+all', 'spf2.0/pra -all']),
      ]);
    return list.length === 0 ? [['nothing of SPF']] : list;
  }

  #split(text: string): string[] {
    if (text.length < 2 || !this.#dice.chance(0.15)) return [text];
    const at = this.#dice.int(text.length);
    return [text.slice(0, at), text.slice(at)];
  }

  #policy(): string {
    const dice = this.#dice;
    const depth = this.#policies++;
    const count = dice.chance(0.04) ? dice.between(10, 13) : dice.pick([0, 1, 2, 2, 3, 3, 4, 5]);
    const terms = dice.times(count, () => this.#term(depth));
    if (dice.chance(0.75))
      terms.push(dice.pick(['-all', '-all', '-all', '~all', '?all', '+all', 'all', 'ALL', '-ALL']));
    else if (dice.chance(0.4)) terms.push(`redirect=${this.#policyName(depth)}`);
    if (dice.chance(0.35))
      terms.splice(dice.int(terms.length + 1), 0, `${dice.chance(0.05) ? 'EXP' : 'exp'}=${this.#explainer()}`);
    if (dice.chance(0.02))
      terms.splice(
        dice.int(terms.length + 1),
        0,
        dice.pick(['redirect=spf.example.net', 'exp=exp.example.org', 'all', 'moo=%{d}']),
      );
    const version = dice.chance(0.95) ? 'v=spf1' : dice.pick(['V=SPF1', 'v=SPF1']);
    const gap = (): string => (dice.chance(0.03) ? '  ' : ' ');
    return [version, ...terms].reduce((text, term) => text + gap() + term) + (dice.chance(0.03) ? ' ' : '');
  }

  #term(depth: number): string {
    const dice = this.#dice;
    const qualifier = dice.pick(['', '', '', '', '+', '-', '~', '?']);
    return dice.weighed([
      [14, () => `${qualifier}${this.#case('ip4')}:${this.#network4()}`],
      [6, () => `${qualifier}${this.#case('ip6')}:${this.#network6()}`],
      [14, () => `${qualifier}${this.#case('a')}${this.#target(0.6)}${this.#prefixes()}`],
      [10, () => `${qualifier}${this.#case('mx')}${this.#target(0.5)}${this.#prefixes()}`],
      [depth < 4 ? 14 : 3, () => `${qualifier}${this.#case('include')}:${this.#policyName(depth)}`],
      [14, () => `${qualifier}${this.#case('exists')}:${this.#spec(0.75)}`],
      [5, () => `${qualifier}${this.#case('ptr')}${this.#target(0.4)}`],
      [
        4,
        () =>
          dice.pick([
            'moo=',
            'moo=bar',
            'x-y_z.1=%{l}%%',
            'foo=%{c}',
            'op=auth',
            'default=softfail',
            'a=b',
            'match_subdomains=yes',
            'moo=%',
            'moo=%{q}',
            'moo=a b',
            'exp.=x',
            '1x=y',
            'foo=%{p}',
          ]),
      ],
      [1.6, () => this.#broken(qualifier)],
      [1, () => `${dice.chance(0.1) ? 'Redirect' : 'redirect'}=${this.#policyName(depth)}`],
    ]);
  }

  #broken(qualifier: string): string {
    const dice = this.#dice;
    const target = (): string => dice.pick([':', '=']) + dice.pick(odd);
    return dice.weighed([
      [6, () => qualifier + dice.pick(['a', 'mx', 'ptr', 'include', 'exists', 'redirect', 'exp', 'moo']) + target()],
      [
        3,
        () =>
          dice.pick([
            'ip4:1.2.3',
            'ip4:1.2.3.4.5',
            'ip4:1.2.3.256',
            'ip4:01.2.3.4',
            'ip4:1.2.3.4/33',
            'ip4:1.2.3.4/08',
            'ip4:1.2.3.4/',
            'ip4',
            'ip4:',
            'ip4:::1',
            'ip4/8',
            'ip4:1.2.3.4//8',
            'ip4:example.org',
          ]),
      ],
      [
        3,
        () =>
          dice.pick([
            'ip6:1::2::3',
            'ip6:1.2.3.4',
            'ip6:::1/129',
            'ip6:::1/00',
            'ip6',
            'ip6:',
            'ip6:12345::',
            'ip6:::1.2.3',
            'ip6:1:2:3:4:5:6:7',
            'ip6:1:2:3:4:5:6:7:8:9',
            'ip6:::1//64',
            'ip6:%{i}',
            'ip6:1:2:3:4:5:6:7::',
            'ip6:::ffff:192.0.2.1',
          ]),
      ],
      [
        3,
        () =>
          dice.pick([
            'a/33',
            'a/',
            'a//129',
            'a/24/64',
            'a//',
            'a/+8',
            'mx/08',
            'mx:/24',
            'a:/24',
            'a:',
            'mx:',
            'ptr:',
            'ptr/24',
            'exists',
            'exists:',
            'include',
            'include:',
            'all:',
            'all/8',
            'all:example.org',
            'exists:example.org/24',
            'include:example.org/8',
            'ptr:example.org/8',
            'a///64',
            'a/0',
            'a//0',
            'a:example.org//',
          ]),
      ],
      [
        3,
        () =>
          dice.pick([
            'moo',
            'moo:bar',
            '--all',
            '*all',
            '- all',
            'al',
            'all.',
            '=x',
            ':',
            '/',
            '-',
            'ipv4:1.2.3.4',
            'a:b=c.example.org',
            'redirect:example.org',
            'v=spf1',
            'redirect',
            'exp',
            'a,',
            'include=example.org',
            '\xe4',
            'a\ta',
            'a;',
            '"a"',
            'exp=',
            'redirect=',
          ]),
      ],
    ]);
  }

  #case(name: string): string {
    return this.#dice.chance(0.04)
      ? this.#dice.pick([name.toUpperCase(), name[0]?.toUpperCase() + name.slice(1)])
      : name;
  }

  #network4(): string {
    return this.#address4() + this.#dice.pick(['', '', '/32', '/24', '/24', '/16', '/8', '/31', '/0', '/1', '/25']);
  }

  #network6(): string {
    return this.#address6() + this.#dice.pick(['', '', '/128', '/64', '/32', '/48', '/0', '/127', '/96', '/33', '/1']);
  }

  #prefixes(): string {
    if (this.#dice.chance(0.75)) return '';
    return this.#dice.pick([
      '/24',
      '/32',
      '/16',
      '/0',
      '//64',
      '//0',
      '/24//64',
      '/0//0',
      '//128',
      '/31//127',
      '/8//96',
    ]);
  }

  #target(probability: number): string {
    return this.#dice.chance(probability) ? `:${this.#spec(0.3)}` : '';
  }

  /** A domain-spec; `macros`: how likely one stands in it. */
  #spec(macros: number): string {
    const dice = this.#dice;
    if (dice.chance(0.015)) return dice.pick(odd);
    if (!dice.chance(macros)) return randomName(dice);
    return dice.weighed([
      [6, () => `${this.#macros()}.${dice.pick([...domains, ...hosts])}`],
      [3, () => `${this.#macros()}.%{d}`],
      [2, () => this.#macros()],
      [1, () => `${dice.pick(['_spf', 'x', 'a-b'])}.%{d2}`],
      [
        1,
        () =>
          `${this.#macros()}${dice.pick(['-', '.', '_', '/', '%-', '%_', '%%', '+'])}${this.#macros()}.${dice.pick(domains)}`,
      ],
      [1, () => `${dice.times(dice.between(4, 9), () => dice.pick(['%{i}', '%{h}', '%{s}', '%{d}'])).join('.')}.%{d}`],
    ]);
  }

  #macros(): string {
    return this.#dice.times(this.#dice.pick([1, 1, 1, 2]), () => randomMacro(this.#dice, 'slodipvh')).join('.');
  }

  #policyName(depth: number): string {
    const dice = this.#dice;
    if (depth > 6) return dice.pick([...policies, 'example.org']);
    return dice.chance(0.12) ? this.#spec(0.6) : dice.pick([...policies, ...policies, ...domains]);
  }

  #explainer(): string {
    const dice = this.#dice;
    return dice.chance(0.8)
      ? dice.pick(explainers)
      : dice.pick(['exp.%{d}', 'exp.%{o}', 'exp.%{p}', 'why.%{l1r-}.%{d}', this.#spec(0.5)]);
  }
}

function randomExplanation(dice: Dice): string {
  const words = dice.times(dice.between(1, 6), () =>
    dice.weighed([
      [5, () => dice.pick(['Not', 'from', 'here,', 'see http://example.org/?s=%{S}', 'mail', '%%', '%_', '%-'])],
      [4, () => randomMacro(dice, 'slodivhcrt')],
      [0.3, () => dice.pick(['%', '%{z}', '%{d', '%(d)', '100%', 'b\xf6se', '\x07', '%{d0}', '%{p}', 'x'.repeat(260)])],
    ]),
  );
  return words.join(dice.chance(0.9) ? ' ' : '');
}

function randomMacro(dice: Dice, letters: string): string {
  const letter = dice.chance(0.12) ? dice.pick([...letters]).toUpperCase() : dice.pick([...letters]);
  if (dice.chance(0.45)) return `%{${letter}}`;
  const digits = dice.chance(0.55) ? dice.pick(['1', '2', '3', '4', '10', '02', '128']) : '';
  const reverse = dice.chance(0.5) ? (dice.chance(0.04) ? 'R' : 'r') : '';
  const delimiters = dice.chance(0.35) ? dice.pick(['.', '-', '+', '-+', '=', '_', '.-', ',/', '+,=_', '--']) : '';
  return `%{${letter}${digits}${reverse}${delimiters}}`;
}

/** Without case and final dot, as a zone looks names up. */
const keyOf = (name: string): string => name.replace(/\.$/, '').replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** No zone holds a name with an empty or over-long label, or one of more than 253 octets. */
const canExist = (name: string): boolean => name.length <= 253 && /^[^.]{1,63}(?:\.[^.]{1,63})*$/s.test(name);
