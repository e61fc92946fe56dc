/** The rows of `postern spf`. */
import type { CommandRow } from '../command/command.js';
import type { OptionTable } from '../command/options.js';

const dnsOptions: OptionTable = {
  zone: {
    label: 'FILE',
    example: 'zone.json',
    doc: 'answers in the place of the DNS, as JSON: {"example.org": {"TXT": [["v=spf1 -all"]], "A": ["192.0.2.1"]}}',
  },
  server: { label: 'IP:PORT', example: '127.0.0.1:5353', doc: "the name server to ask, instead of the system's" },
  timeout: { label: 'TIME', example: '20s', doc: 'for one evaluation, or one domain (20s)' },
};

const json = { doc: 'one JSON object' };
const details = (): string => 'colour is used on a terminal, unless NO_COLOR is set\n';
const exits = { 66: 'a file that cannot be read', 74: 'reading or writing failed' };

export const spfCommands: readonly CommandRow[] = [
  {
    name: 'spf',
    doc: 'judge a mail by SPF and say why (check), say what is wrong with a record (lint), what to publish (suggest, flatten)',
  },
  {
    name: 'spf check',
    doc: 'judges one mail by SPF (RFC 7208) and says why',
    usage: [
      '--ip=IP [--helo=NAME] [--from=ADDRESS] [--receiver=NAME] [--explain] [--json | --header] [--exit-code]',
      '--batch [--explain] < CASES > ANSWERS',
    ],
    options: {
      ip: { label: 'IP', example: '192.0.2.1', doc: "the client's address" },
      helo: {
        label: 'NAME',
        example: 'mail.example.org',
        doc: 'what it said in HELO or EHLO; needed when --from is missing or null',
      },
      from: {
        label: 'ADDRESS',
        example: 'user@example.org',
        doc: "the reverse-path; '' or '<>' is the null one, judged by the HELO name",
      },
      receiver: { label: 'NAME', example: 'mx.example.com', doc: "this host's name, for explanations (unknown)" },
      explain: { doc: 'show the evaluation as a tree: each term, what was asked and answered; with --json, the trace' },
      json,
      header: { doc: 'print the field Received-SPF, as a receiver would; with --explain also X-SPF-TRACE' },
      'exit-code': {
        doc: 'exit as spfquery does: 0 pass, 1 fail, 2 softfail, 3 neutral, 4 permerror, 5 temperror, 6 none',
      },
      batch: {
        doc:
          'read JSON lines {"ip","helo","from"}, each perhaps with a "zonedata" of its own, and write a line ' +
          '{"result","explanation","mechanism","problem","lookups","voids"} for each, in order; ' +
          'lines that cannot be read are told on standard error, too',
      },
      ...dnsOptions,
    },
    details,
    exits: {
      ...exits,
      0: 'done, whatever the result, unless --exit-code is given',
      65: 'a bad line or a bad zone file',
    },
    run: async (given) => (await import('./spf.js')).spf('check', given),
  },
  {
    name: 'spf lint',
    doc: 'says what is wrong or unwise in a record, and counts its look-ups branch by branch',
    usage: [
      'DOMAIN [--strict] [--ip=IP --from=ADDRESS] [--json]',
      '[DOMAIN] --record=TXT [--strict] [--json]',
      '--all [--strict] [-c FILE] [--srv=DIR] [--json]',
    ],
    settings: 'named',
    settingsWith: 'all',
    options: {
      record: {
        label: 'TXT',
        example: "'v=spf1 mx -all'",
        doc: 'this text, not what the domain publishes; without a DOMAIN, --zone or --server nothing is asked of DNS',
      },
      all: { doc: 'every domain in /srv, by the settings of postern serve; JSON is a line for each' },
      strict: { doc: 'exit code 65 for warnings as well' },
      ip: {
        label: 'IP',
        example: '192.0.2.1',
        doc: 'the client of a mail, for names with macros: they are asked for as for this mail',
      },
      helo: { label: 'NAME', example: 'mail.example.org', doc: 'its HELO name' },
      from: { label: 'ADDRESS', example: 'user@example.org', doc: 'its reverse-path' },
      json,
      ...dnsOptions,
    },
    words: 'any',
    details,
    exits: { ...exits, 65: 'there is an error in the record, or a bad zone file' },
    run: async (given) => (await import('./spf.js')).spf('lint', given),
  },
  {
    name: 'spf flatten',
    doc: 'prints the record as addresses, for domains that need more look-ups than the ten that are allowed',
    usage: ['DOMAIN [--record=TXT] [--diff] [--json]'],
    options: {
      record: {
        label: 'TXT',
        example: "'v=spf1 include:_spf.example.net -all'",
        doc: 'the record to flatten, not what the domain publishes',
      },
      diff: { doc: 'what would change at the domain; exit code 1 when anything would' },
      json,
      ...dnsOptions,
    },
    words: 'any',
    details:
      () => `one record where it fits into 450 octets, else several that it includes. What depends on the mail stays. The addresses are
others', and change: keep the record that is flattened elsewhere, and compare daily
`,
    exits: {
      ...exits,
      1: '--diff has found a difference',
      65: 'a record in which lint finds an error, or a bad zone file',
      69: 'DNS did not answer',
    },
    run: async (given) => (await import('./spf.js')).spf('flatten', given),
  },
  {
    name: 'spf suggest',
    doc: "says what to publish: from the domain's MX, and the addresses and networks that send its mail",
    usage: ['DOMAIN [ADDRESS | NETWORK | NAME ...] [--end=-all] [--json]'],
    options: {
      end: {
        label: 'END',
        example: '-all',
        doc: 'how the record ends: -all, ~all or ?all (~all; -all for a domain without any mail)',
      },
      json,
      ...dnsOptions,
    },
    words: 'any',
    details: () => 'a NAME is included when it has an SPF record, else its addresses are named\n',
    exits: { ...exits, 65: 'a record in which lint finds an error, or a bad zone file', 69: 'DNS did not answer' },
    run: async (given) => (await import('./spf.js')).spf('suggest', given),
  },
];
