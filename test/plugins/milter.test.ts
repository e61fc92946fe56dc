/** milter: what a filter says at each moment, and what becomes of the mail. The filter is one that a test scripts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import milter from '../../plugins/milter.js';
import { testMail } from '../../src/hooks/testing.js';
import type { ClientName } from '../../src/hooks/plugin.js';
import { pass } from '../../src/mail/verdict.js';
import { type Act, type Script, ScriptedFilter, say } from '../support/scripted-filter.js';
import { message, Mx } from '../support/mx.js';

interface Stage {
  readonly mx: Mx;
  readonly filter: ScriptedFilter;
  close(): Promise<void>;
}

interface StageOptions {
  /** Behind the filter's place in the list. */
  readonly words?: string;
  /** Before the filter in the list. */
  readonly before?: readonly string[];
  readonly markers?: readonly string[];
}

/** An MX with one filter. */
async function stage(script: Script, { words = '', before = [], markers = [] }: StageOptions = {}): Promise<Stage> {
  const filter = await ScriptedFilter.start(script);
  const mx = await Mx.start({
    markers: [...['alice', 'bob', 'carol'].map((name) => `example.com/users/valid/${name}`), ...markers],
    settings: ['xclient_networks=loopback'],
    plugins: ['valid_users', ...before, `milter ${filter.place} name=test ${words}`, 'whitelist'],
  });
  return {
    mx,
    filter,
    close: async () => {
      await mx.close();
      await filter.close();
    },
  };
}

/** All replies to a mail for two recipients, IDs left out. */
async function dialogue(mx: Mx): Promise<string[]> {
  const client = await mx.connect();
  const said: string[] = [];
  for (const line of [
    'EHLO client.example',
    'MAIL FROM:<sender@sender.example>',
    'RCPT TO:<alice@example.com>',
    'RCPT TO:<bob@example.com>',
    'DATA',
    `${message()}\r\n.`,
  ]) {
    const reply = await client.say(line);
    said.push(withoutId(reply));
    if (/^(?:421|554|503)/.test(reply) || (line.startsWith('MAIL') && !reply.startsWith('250'))) break;
  }
  client.end();
  return said.slice(1);
}

const withoutId = (reply: string): string => reply.trim().replace(/\([0-9A-Z]{14}\)/, '(ID)');

const sender = '250 2.1.0 Sender ok';
const recipient = '250 2.1.5 Recipient ok';
const go = '354 End data with <CR><LF>.<CR><LF>';
const atDot = (reply: string): string[] => [sender, recipient, recipient, go, reply];
const down = '451 4.3.0 Your mail cannot be filtered now, try again later';
const later = '451 4.7.1 Try again later';
const apart = '452 4.5.3 Send this recipient in a transaction of its own';
const bye = '421 4.7.0 Try again later, closing connection';
const own = say.reply('550 5.7.9 100%% unwanted');
const ownBye = say.reply('421 4.3.2 going down');

/** What is told, and where the mail is then. */
const outcomes = {
  relayed: [atDot('250 2.0.0'), 'relayed'],
  rejected: [atDot('550 5.7.1 Refused by test (ID)'), 'archived'],
  'rejected in its words': [atDot('550 5.7.9 100% unwanted (ID)'), 'archived'],
  discarded: [atDot('250 2.0.0 Ok (ID)'), 'archived'],
  'the recipient rejected': [[sender, recipient, apart, go, '550 5.7.1 Refused by test (ID)'], 'archived once'],
  'the recipient rejected in its words': [
    [sender, recipient, apart, go, '550 5.7.9 100% unwanted (ID)'],
    'archived once',
  ],
  'down at the second RCPT': [[sender, recipient, down, go, down], 'nowhere'],
  'later at MAIL': [[later], 'nowhere'],
  'later at RCPT': [[sender, later, later, '554 5.5.1 No valid recipients'], 'nowhere'],
  'later at the dot': [atDot(later), 'nowhere'],
  'bye at MAIL': [[bye], 'nowhere'],
  'bye at RCPT': [[sender, bye], 'nowhere'],
  'bye at the dot': [atDot(bye), 'nowhere'],
  'its bye at MAIL': [['421 4.3.2 going down'], 'nowhere'],
  'its bye at RCPT': [[sender, '421 4.3.2 going down'], 'nowhere'],
  'its bye at the dot': [atDot('421 4.3.2 going down'), 'nowhere'],
  'down at MAIL': [[down], 'nowhere'],
  'down at RCPT': [[sender, down, down, '554 5.5.1 No valid recipients'], 'nowhere'],
  'down at the dot': [atDot(down), 'nowhere'],
} as const;
type Outcome = keyof typeof outcomes;

const answers: Readonly<Record<string, Act | readonly Act[]>> = {
  continue: say.continue,
  accept: say.accept,
  reject: say.reject,
  'its own 550': own,
  tempfail: say.tempfail,
  'its own 421': ownBye,
  shutdown: say.shutdown,
  discard: say.discard,
  skip: say.skip,
  'progress, then continue': [say.progress, say.progress, say.continue],
  'an edit': say.add('X-Early', 'yes'),
  'an answer that there is not': Buffer.from([0, 0, 0, 1, 0x21]),
  'a frame of nothing': Buffer.alloc(4),
  'a frame of 1.4 GB': Buffer.from('SSH-2.0-OpenSSH\r\n'),
  'data behind a verdict': Buffer.from([0, 0, 0, 2, 0x63, 0x63]),
  'two answers to one question': Buffer.concat([say.continue, say.continue]),
  'no more': 'close',
};

/** Before MAIL, at MAIL, RCPT, DATA to body, and the end: an outcome each. */
const table: Readonly<Record<string, readonly [Outcome, Outcome, Outcome, Outcome, Outcome]>> = {
  continue: ['relayed', 'relayed', 'relayed', 'relayed', 'relayed'],
  accept: ['relayed', 'relayed', 'relayed', 'relayed', 'relayed'],
  reject: ['rejected', 'rejected', 'the recipient rejected', 'rejected', 'rejected'],
  'its own 550': [
    'rejected in its words',
    'rejected in its words',
    'the recipient rejected in its words',
    'rejected in its words',
    'rejected in its words',
  ],
  tempfail: ['later at MAIL', 'later at MAIL', 'later at RCPT', 'later at the dot', 'later at the dot'],
  'its own 421': ['its bye at MAIL', 'its bye at MAIL', 'its bye at RCPT', 'its bye at the dot', 'its bye at the dot'],
  shutdown: ['bye at MAIL', 'bye at MAIL', 'bye at RCPT', 'bye at the dot', 'bye at the dot'],
  discard: ['relayed', 'discarded', 'discarded', 'discarded', 'discarded'],
  skip: ['relayed', 'relayed', 'relayed', 'relayed', 'relayed'],
  'progress, then continue': ['relayed', 'relayed', 'relayed', 'relayed', 'relayed'],
  'an edit': ['down at MAIL', 'down at MAIL', 'down at RCPT', 'down at the dot', 'relayed'],
  'an answer that there is not': ['down at MAIL', 'down at MAIL', 'down at RCPT', 'down at the dot', 'down at the dot'],
  'a frame of nothing': ['down at MAIL', 'down at MAIL', 'down at RCPT', 'down at the dot', 'down at the dot'],
  'a frame of 1.4 GB': ['down at MAIL', 'down at MAIL', 'down at RCPT', 'down at the dot', 'down at the dot'],
  'data behind a verdict': ['down at MAIL', 'down at MAIL', 'down at RCPT', 'down at the dot', 'down at the dot'],
  'two answers to one question': [
    'down at MAIL',
    'down at RCPT',
    'down at the second RCPT',
    'down at the dot',
    'relayed',
  ],
  'no more': ['down at MAIL', 'down at MAIL', 'down at RCPT', 'down at the dot', 'down at the dot'],
};

const stages: readonly (readonly [code: string, column: 0 | 1 | 2 | 3 | 4])[] = [
  ['C', 0],
  ['H', 0],
  ['M', 1],
  ['R', 2],
  ['T', 3],
  ['L', 3],
  ['N', 3],
  ['B', 3],
  ['E', 4],
];

for (const [answer, row] of Object.entries(table)) {
  test(`a filter that says ${answer}`, async (t) => {
    for (const [code, column] of stages) {
      await t.test(`to ${code}`, async () => {
        const acts = answers[answer] ?? [];
        const isEdit = answer === 'an edit' && code === 'E';
        const { mx, filter, close } = await stage({ answers: { [code]: isEdit ? [acts, say.continue].flat() : acts } });
        try {
          const [replies, where] = outcomes[row[column]];
          const said = (await dialogue(mx)).map((reply) => reply.replace(/^(250 2\.0\.0) (?!Ok \(ID\)).*$/, '$1'));
          assert.deepEqual(said, replies, filter.commands);
          const [relayed, archived] = [mx.delivered().length, mx.archived().length];
          assert.deepEqual(
            [relayed, archived],
            { relayed: [2, 0], archived: [0, 2], 'archived once': [0, 1], nowhere: [0, 0] }[where],
          );
        } finally {
          await close();
        }
      });
    }
  });
}

test('a client that has gone while something else was waited for opens no connection to a filter', async (t) => {
  const filter = await ScriptedFilter.start();
  t.after(() => filter.close());
  const plugin = milter([filter.place, 'name=test']);
  const clientName = (): Promise<ClientName> =>
    new Promise((settle) => void setImmediate(() => settle({ kind: 'none' })));
  const context = testMail({ session: { clientName, knownClientName: undefined } });
  const asked = plugin.mail?.(context);
  await plugin.disconnect?.(context);
  assert.deepEqual([await asked, await plugin.mail?.(context)], [pass, pass]);
  assert.equal(filter.connections, 0);
});
