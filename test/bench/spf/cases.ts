/** What `npm run bench:spf` has every engine judge: records as they are published, and a client for each. */

/** The first line that an engine reads from standard input, as JSON. */
export interface BenchInput {
  readonly zone: BenchZone;
  readonly cases: readonly BenchCase[];
}

/** In the map form of the RFC suite's zone data. */
export type BenchZone = Readonly<
  Record<string, { readonly TXT?: string[][]; readonly A?: string[]; readonly MX?: [number, string][] }>
>;

export interface BenchCase {
  readonly name: string;
  readonly ip: string;
  readonly helo: string;
  readonly from: string;
  readonly result: string;
}

const helo = 'mail.sender.example';

export const benchCases: readonly BenchCase[] = [
  { name: 'an ip4 hit', ip: '192.0.2.25', helo, from: 'anna@ip4.example', result: 'pass' },
  { name: '3 includes, fail', ip: '203.0.113.9', helo, from: 'anna@provider.example', result: 'fail' },
  { name: 'a mx', ip: '192.0.2.25', helo, from: 'anna@hosts.example', result: 'pass' },
  { name: 'exists, macros', ip: '192.0.2.25', helo, from: 'anna@macro.example', result: 'pass' },
];

const networks = (first: number): string =>
  Array.from({ length: 10 }, (_, i) => `ip4:198.${first + i}.0.0/16`).join(' ');

export const benchZone: BenchZone = {
  'ip4.example': { TXT: [['v=spf1 ip4:198.51.100.0/24 ip4:192.0.2.0/24 -all']] },
  'provider.example': {
    TXT: [['v=spf1 include:a.provider.example include:b.provider.example include:c.provider.example -all']],
  },
  'a.provider.example': { TXT: [[`v=spf1 ${networks(10)} ?all`]] },
  'b.provider.example': { TXT: [[`v=spf1 ${networks(20)} ?all`]] },
  'c.provider.example': { TXT: [[`v=spf1 ${networks(30)} ?all`]] },
  'hosts.example': {
    TXT: [['v=spf1 a mx -all']],
    A: ['198.51.100.1'],
    MX: [
      [10, 'mx1.hosts.example'],
      [20, 'mx2.hosts.example'],
      [30, 'mx3.hosts.example'],
    ],
  },
  'mx1.hosts.example': { A: ['198.51.100.2'] },
  'mx2.hosts.example': { A: ['198.51.100.3'] },
  'mx3.hosts.example': { A: ['192.0.2.25'] },
  'macro.example': { TXT: [['v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all']] },
  '25.2.0.192.in-addr._spf.macro.example': { A: ['127.0.0.2'] },
};
