/** Points instead of rejections, and their sum, through the listener: the plugin `score` and what markers hold. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalLine } from '../../src/journal/line.js';
import { found } from '../journal/support.js';
import { Mx } from '../support/mx.js';
import { patience } from '../support/until.js';

/** By their helo name and missing date mails of these tests get 3 and 2.5 points, by their lists what those weigh. */
const weights = (domain: string, ...more: readonly string[]): readonly string[] => [
  `${domain}/users/valid/alice`,
  `${domain}/checks/helo=score 3\n`,
  `${domain}/checks/date=score 2.5 # a weak sign\n`,
  ...more.map((marker) => `${domain}/${marker}`),
];

let mx: Mx;
before(async () => {
  mx = await Mx.start({
    zone: {
      '2.2.0.192.bl.example': { A: ['127.0.0.4'], TXT: [['why not']] },
      '2.2.0.192.friends.example': { A: ['127.0.5.2'] },
      '3.2.0.192.friends.example': { A: ['127.0.5.2'] },
      '4.2.0.192.bl.example': { A: ['127.0.0.4', '127.0.0.11'] },
    },
    markers: [
      ...weights('example.com', 'score=reject 5 # and up\n\nmark 2.5\n'),
      ...weights(
        'lists.example',
        'score=reject 8',
        'zones=bl.example=127.0.0.[2..9]*4.5\nbl.example=127.0.0.11*0.5\nfriends.example=127.0.[0..255].[1;2..3]*-3\n',
      ),
      ...weights('mixed.example', 'score=reject 8', 'zones=bl.example\nfriends.example*-3\n'),
      ...weights('counted.example'),
      ...weights('trial.example', 'score=reject 5', 'checks/score=log'),
      ...weights('kept.example', 'score=reject 50'),
      ...weights('hard.example', 'score=reject 50', 'checks/address'),
      ...weights('typo.example', 'score=reject 5', 'checks/rdns=score 2,5'),
      'by-all.example/users/valid/alice',
      'by-all.example/checks/all=score 1',
      'by-all.example/score=mark 1',
    ],
    settings: ['xclient_networks=loopback'],
  });
});
after(() => mx.close());

const bad = { helo: 'a_b.example', header: ['From: a@b.example', 'To: x@y.example', 'Message-ID: <1@b.example>'] };

/** What one mail was answered, and the line of the log about it. */
async function sent(
  to: string,
  mail: { readonly helo?: string; readonly header?: readonly string[]; readonly xclient?: string } = bad,
): Promise<{ readonly reply: string; readonly line: Readonly<Record<string, unknown>> }> {
  const { header = bad.header, ...rest } = mail;
  const reply = await mx.send({ ...rest, to, message: `${header.join('\r\n')}\r\n\r\nHello.` });
  const line = mx.log.findLast(({ msg, verdict }) => msg === verdict && verdict !== undefined) ?? {};
  return { reply, line };
}

/** The journal is written behind the reply. */
async function journalLine(id: string): Promise<Partial<JournalLine>> {
  for (const late = Date.now() + patience; ; await sleep(20)) {
    const line = (await found(join(mx.root, 'state/journal'))).find((one) => one.line.id === id)?.line;
    if (line !== undefined || Date.now() > late) return line ?? {};
  }
}

const good = { header: ['Date: Sat, 28 Nov 2026 12:00:00 +0000', ...bad.header] };

/** [what, the recipient, the mail, the reply] */
const table: readonly (readonly [what: string, to: string, mail: Parameters<typeof sent>[1], reply: RegExp])[] = [
  [
    'points that reach the limit together',
    'alice@example.com',
    bad,
    /^550 5\.7\.1 score 5\.5: helo 3, date 2\.5 \([0-9A-Z]{14}\)$/,
  ],
  ['points below the limit', 'alice@example.com', { header: bad.header }, /^250 /],
  ['no points', 'alice@example.com', good, /^250 /],
  ['points that nobody judges', 'alice@counted.example', bad, /^250 /],
  ['points below a high limit', 'alice@kept.example', bad, /^250 /],
  [
    'a rejection beside points',
    'alice@hard.example',
    { ...bad, header: ['To: x@y.example'] },
    /^550 5\.7\.1 Missing header - From: \(/,
  ],
  ['a limit that is only tried out', 'alice@trial.example', bad, /^250 /],
  ['points that are no number', 'alice@typo.example', bad, /^451 4\.3\.0 /],
  [
    'lists with weights',
    'alice@lists.example',
    { ...bad, xclient: 'ADDR=192.0.2.4' },
    /^550 5\.7\.1 score 10\.5: helo 3, date 2\.5, dnsbl 5 \(/,
  ],
  ['a list that speaks for the client', 'alice@lists.example', { ...bad, xclient: 'ADDR=192.0.2.2' }, /^250 /],
  ['a list that speaks for the client alone', 'alice@lists.example', { ...bad, xclient: 'ADDR=192.0.2.3' }, /^250 /],
  [
    'a list without a weight beside one that has',
    'alice@mixed.example',
    { ...bad, xclient: 'ADDR=192.0.2.2' },
    /^550 5\.7\.1 Your address 192\.0\.2\.2 is listed by bl\.example: why not \(/,
  ],
];
for (const [what, to, mail, reply] of table) test(what, async () => assert.match((await sent(to, mail)).reply, reply));

test('points and reasons stand in log, journal, index and the field', async () => {
  mx.forget();
  const { line } = await sent('alice@example.com');
  assert.deepEqual(
    { verdict: line['verdict'], plugin: line['plugin'], score: line['score'], points: line['points'] },
    {
      verdict: 'rejected',
      plugin: 'score',
      score: 5.5,
      points: 'helo 3 (underscore: a_b.example), date 2.5 (Missing header - Date:)',
    },
  );
  assert.match(String(line['reason']), /^score 5\.5 of 5: helo 3 \(underscore: a_b\.example\), date 2\.5/);
  const [said] = mx.log.filter(({ msg }) => msg === 'score');
  assert.deepEqual([said?.['plugin'], said?.['points'], said?.['why']], ['helo', 3, 'underscore: a_b.example']);
  const entry = mx.index().find(({ recipient }) => recipient === 'alice@example.com');
  assert.deepEqual(
    [entry?.['reason'], entry?.['plugin'], entry?.['score'], entry?.['points']],
    ['score 5.5: helo 3, date 2.5', 'score', 5.5, line['points']],
  );
  assert.match(
    mx.archived().find(({ path }) => path.includes('/example.com/'))?.text ?? '',
    /^X-REJECT-REASON: score 5\.5: helo 3, date 2\.5\r$/m,
  );
  const { score, said: words = [] } = await journalLine(String(line['id']));
  assert.equal(score, 5.5);
  assert.deepEqual(
    words.filter(([, word]) => word === 'score'),
    [
      ['helo', 'score', 'underscore: a_b.example', 3],
      ['date', 'score', 'Missing header - Date:', 2.5],
    ],
  );
});

test('a mail is marked from its limit on, and a client’s own mark is taken out', async () => {
  const forged = ['X-Spam-Flag: NO', 'x-spam-score: -100', 'X-Spam-Status: kept'];
  const headOf = async (header: readonly string[], to = 'alice@example.com'): Promise<string> => {
    mx.forget();
    assert.match((await sent(to, { header: [...forged, ...header] })).reply, /^250 /);
    return mx.delivered()[0]?.split('\r\n\r\n')[0] ?? '';
  };
  const marked = await headOf(bad.header);
  assert.deepEqual(marked.match(/^x-spam-.*$/gim), ['X-Spam-Score: 2.5', 'X-Spam-Flag: YES', 'X-Spam-Status: kept']);
  assert.deepEqual((await headOf(good.header)).match(/^x-spam-.*$/gim), ['X-Spam-Status: kept']);
  assert.deepEqual((await headOf(bad.header, 'alice@kept.example')).match(/^x-spam-.*$/gim), forged);
  mx.forget();
  await sent('alice@example.com', { ...bad, header: [...forged, ...bad.header] });
  const kept = mx.archived().find(({ text }) => text.includes('X-Spam-Status: kept'));
  assert.deepEqual(kept?.text.match(/^x-spam-.*$/gim), ['X-Spam-Status: kept']);
});

test('a whitelist lifts what points have rejected, and who is whitelisted gets none', async () => {
  mx.touch('example.com/whitelisted/recipients/alice');
  const { reply, line } = await sent('alice@example.com');
  mx.remove('example.com/whitelisted/recipients/alice');
  assert.match(reply, /^250 /);
  assert.deepEqual([line['verdict'], line['score']], ['relayed', undefined]);
});

test('a marker of all gives points for each check that finds something', async () => {
  mx.forget();
  assert.match((await sent('alice@by-all.example', { ...bad, xclient: 'ADDR=192.0.2.9' })).reply, /^250 /);
  assert.match(mx.delivered()[0] ?? '', /^X-Spam-Score: 3\r$/m); // helo, rdns, date
});

/** [what, what checks/date holds; undefined: a FIFO, the reply] */
const marked: readonly (readonly [what: string, text: string | undefined, reply: RegExp])[] = [
  ['capitals, blanks and a comment', '\n SCORE   5  # five\n', /^550 5\.7\.1 score 5: date 5 \(/],
  ['points that speak for the mail', 'score -2', /^250 /],
  ['no points at all', 'score', /^451 4\.3\.0 /],
  ['two numbers', 'score 2 3', /^451 4\.3\.0 /],
  ['a comma', 'score 2,5', /^451 4\.3\.0 /],
  ['more than anybody counts', 'score 5000', /^451 4\.3\.0 /],
  ['no number', 'score NaN', /^451 4\.3\.0 /],
  ['an operator’s note', '# Anna wants this', /^550 5\.7\.1 Missing header - Date: \(/],
  ['octets', '\x00\x01\x02', /^550 5\.7\.1 Missing header - Date: \(/],
  ['more than a marker may', `log ${' '.repeat(3000)}`, /^550 5\.7\.1 Missing header - Date: \(/],
  ['a FIFO', undefined, /^550 5\.7\.1 Missing header - Date: \(/],
];
for (const [what, text, reply] of marked) {
  test(`a marker that holds ${what}: ${reply.source.slice(1, 4)}`, async () => {
    mx.remove('example.com/checks/date');
    if (text === undefined) execFileSync('mkfifo', [join(mx.root, 'srv/example.com/checks/date')]);
    else mx.touch(`example.com/checks/date=${text}`);
    try {
      assert.match((await sent('alice@example.com', { header: bad.header })).reply, reply);
    } finally {
      mx.remove('example.com/checks/date');
      mx.touch('example.com/checks/date=score 2.5 # a weak sign\n');
    }
  });
}

/** [what, what /srv/example.com/score holds; undefined: a FIFO, what the log says] */
const broken: readonly (readonly [what: string, text: string | undefined, why: RegExp])[] = [
  ['is empty', '', /example\.com\/score: holds neither reject nor mark$/],
  ['holds comments alone', '# reject 8\n', /holds neither reject nor mark$/],
  [
    'has a line that makes no sense',
    'reject 8\nmrak 4\n',
    /"mrak 4" must be reject or mark and points, such as reject 8$/,
  ],
  ['has a comma', 'reject 8,5', /"reject 8,5" must be /],
  ['rejects everything', 'reject 0', /"reject 0" must be /],
  ['contradicts itself', 'reject 8\nreject 9', /"reject 9" must not be there: reject stands above already$/],
  ['marks what it rejects', 'reject 4\nmark 8', /marks from 8 on, which is rejected already$/],
  [
    'is of something else',
    '[mail]\n'.repeat(1000),
    /"\[mail\]" must be reject or mark and points, such as reject 8 \(and 999 more\)$/,
  ],
  ['is binary', '\x00\xff\x7fELF\x01\n\n\x00', /must be reject or mark/],
  ['is huge', `reject 8\n${'#'.repeat(70_000)}`, /example\.com\/score: larger than 65536 octets$/],
  ['is a FIFO', undefined, /example\.com\/score: no file$/],
];
for (const [what, text, why] of broken) {
  test(`a file score that ${what} defers the domain’s mail, and the log says why`, async () => {
    const file = join(mx.root, 'srv/example.com/score');
    mx.remove('example.com/score');
    if (text === undefined) execFileSync('mkfifo', [file]);
    else mx.touch(`example.com/score=${text}`);
    try {
      mx.forget();
      assert.match((await sent('alice@example.com', good)).reply, /^451 4\.3\.0 /);
      assert.match(
        String(mx.log.find(({ msg, plugin }) => plugin === 'score' && (msg === 'defer' || msg === 'error'))?.['why']),
        why,
      );
    } finally {
      mx.remove('example.com/score');
      mx.touch('example.com/score=reject 5\nmark 2.5\n');
    }
  });
}
