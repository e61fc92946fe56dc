/** Mail from outside that names a domain of our own customers and fails: told of in the log, counted, marked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadMilterConfig } from '../../../src/cli/milter/verify-sender/config.js';
import { type BenchOptions, openBench } from './bench.js';
import { MilterClient } from './client.js';

interface Told {
  readonly answer: string;
  readonly lines: readonly string[];
  readonly counted: readonly string[];
}

async function mail(
  from: string,
  config: string,
  options: BenchOptions & { readonly helo?: string } = {},
  fields: readonly [string, string][] = [],
): Promise<Told> {
  const bench = await openBench(config, options);
  const client = await MilterClient.open(bench.path);
  try {
    await client.connect('203.0.113.9');
    await client.helo(options.helo ?? 'client.test');
    let { verdict, edits } = await client.mail(from);
    if (verdict === 'continue') {
      await client.rcpt('u@rcpt.test');
      await client.data();
      ({ verdict, edits } = await client.message(fields));
    }
    assert.deepEqual(bench.problems, []);
    const answer = [verdict, ...edits.filter((edit) => /X-SPF-Own-Domain/i.test(edit))].join(', ');
    const counted = bench.seen.flatMap((event) => (event.kind === 'own' ? [event.result] : []));
    return { answer, lines: bench.lines.filter((line) => /own domain|directory/.test(line)), counted };
  } finally {
    client.destroy();
    await bench.close();
  }
}

const listed = 'own_domains = fail.test, softfail.test, pass.test, .below.test';
const known = 'own_domains_ldap = own.ldap';
const all = 'reject_results =\n';
const told = 'info: own domain: its record does not permit this client';

const cases: readonly [what: string, from: string, config: string, options: BenchOptions, expected: Told][] = [
  [
    'one that fails',
    'a@Fail.test',
    all + listed,
    {},
    { answer: 'continue, insert X-SPF-Own-Domain: fail.test fail', lines: [told], counted: ['fail'] },
  ],
  [
    'one that softfails',
    'a@softfail.test',
    listed,
    {},
    { answer: 'continue, insert X-SPF-Own-Domain: softfail.test softfail', lines: [told], counted: ['softfail'] },
  ],
  [
    'one whose record cannot be read',
    'a@permerror.test',
    `${all}own_domains = permerror.test`,
    {},
    { answer: 'continue, insert X-SPF-Own-Domain: permerror.test permerror', lines: [told], counted: ['permerror'] },
  ],
  [
    'one that is refused is told of, too',
    'a@fail.test',
    listed,
    {},
    { answer: '550 5.7.23 SPF validation failed', lines: [told], counted: ['fail'] },
  ],
  ['a foreign one', 'a@neutral.test', listed, {}, { answer: 'continue', lines: [], counted: [] }],
  ['a foreign one that fails', 'a@exp.test', all + listed, {}, { answer: 'continue', lines: [], counted: [] }],
  ['nobody has own domains', 'a@fail.test', all, {}, { answer: 'continue', lines: [], counted: [] }],
  [
    'one the directory knows',
    'a@fail.test',
    all + known,
    { directory: ['fail.test'] },
    { answer: 'continue, insert X-SPF-Own-Domain: fail.test fail', lines: [told], counted: ['fail'] },
  ],
  [
    'one it does not know',
    'a@fail.test',
    all + known,
    { directory: [] },
    { answer: 'continue', lines: [], counted: [] },
  ],
  [
    'the directory does not say',
    'a@fail.test',
    all + known,
    { directory: 'down' },
    { answer: 'continue', lines: ['warn: the directory does not say whose domain it is'], counted: [] },
  ],
];
for (const [what, from, config, options, expected] of cases)
  test(`own domain: ${what}`, async () => assert.deepEqual(await mail(from, config, options), expected));

test('a HELO name is no sender', async () => {
  const config = `verify_helo = yes\n${listed}`;
  assert.deepEqual(await mail('a@none.test', config, { helo: 'fail.test' }), {
    answer: '550 5.7.23 SPF validation failed',
    lines: [],
    counted: [],
  });
});

test('a mark that came with the mail goes', async () => {
  const { answer } = await mail('a@neutral.test', listed, {}, [['x-spf-own-domain', 'other.test fail']]);
  assert.equal(answer, 'continue, delete x-spf-own-domain #1');
});

test('what is wrong with the directory’s file stops the start', () => {
  const files: Record<string, string> = {
    '/c': 'socket = unix:/x\nown_domains_ldap = /own',
    '/own': 'uri = ldap://x\nbase = dc=x\nfilter = (dc=x)',
  };
  const loaded = loadMilterConfig({ file: '/c', options: [], readFile: (path) => files[path] ?? '' });
  assert.deepEqual(loaded.ok ? [] : loaded.problem, [
    '/c:2: own_domains_ldap = /own: filter: "(dc=x)" must hold %d, where the address goes',
  ]);
});
