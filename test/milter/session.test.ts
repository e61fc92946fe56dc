import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type FinalAnswer,
  type MilterPolicy,
  type SessionAnswer,
  accept,
  discard,
  insertHeader,
  proceed,
  reject,
  replyWith,
  skip,
  tempfail,
} from '../../src/milter/policy.js';
import {
  Talk,
  abort,
  body,
  connect,
  data,
  eoh,
  eom,
  header,
  helo,
  macros,
  mail,
  message,
  negotiate,
  nextSession,
  opening,
  packet,
  quit,
  rcpt,
  unknown,
} from '../support/milter-mta.js';

/** A filter that writes down what it sees. */
function recorder(answers: Partial<MilterPolicy> = {}): { policy: MilterPolicy; seen: string[] } {
  const seen: string[] = [];
  const see = (what: string): typeof proceed => {
    seen.push(what);
    return proceed;
  };
  const policy: MilterPolicy = {
    edits: ['insert-header', 'delete-header', 'replace-body', 'quarantine'],
    connect: ({ client }) => see(`connect ${client.ip?.text ?? client.kind}`),
    helo: (session) => see(`helo ${session.helo}`),
    mail: ({ sender }) => see(`mail ${[sender.address, ...sender.parameters].join(' ')}`),
    rcpt: (_, { address, parameters }) => see(`rcpt ${[address, ...parameters].join(' ')}`),
    data: () => see('data'),
    header: (_, { name, value }) => see(`header ${name}:${value}`),
    eoh: () => see('eoh'),
    body: (_, chunk) => see(`body ${Buffer.from(chunk).toString('latin1').trim()}`),
    eom: () => see('eom'),
    unknown: (_, line) => see(`unknown ${line}`),
    abort: ({ sender }) => void see(`abort ${sender.address}`),
    close: ({ client }) => void see(`close ${client.ip?.text ?? client.kind}`),
    ...answers,
  };
  return { policy, seen };
}

const wholeMessage = [
  'mail a@example.net',
  'rcpt b@example.com',
  'data',
  'header Subject:hello',
  'eoh',
  'body body',
  'eom',
];

interface Script {
  readonly send: readonly Buffer[];
  /** Answers behind that of the negotiation. */
  readonly says?: string;
  readonly sees?: readonly string[];
  readonly filter?: Partial<MilterPolicy>;
  readonly offer?: Buffer;
}

const start = [connect(), helo()];
const began = ['connect 192.0.2.1', 'helo client.example'];

const table: readonly [what: string, script: Script][] = [
  [
    'a session of one message',
    { send: [...start, message, quit], says: 'ccccccccc', sees: [...began, ...wholeMessage, 'close 192.0.2.1'] },
  ],
  [
    'two messages',
    { send: [...start, message, message], says: 'c'.repeat(16), sees: [...began, ...wholeMessage, ...wholeMessage] },
  ],
  [
    'Postfix says ABORT behind each message',
    {
      send: [...start, message, abort, message, abort, abort],
      says: 'c'.repeat(16),
      sees: [...began, ...wholeMessage, ...wholeMessage],
    },
  ],
  [
    'a message is aborted',
    {
      send: [...start, mail(), rcpt(), abort],
      says: 'cccc',
      sees: [...began, 'mail a@example.net', 'rcpt b@example.com', 'abort a@example.net'],
    },
  ],
  [
    'Sendmail says nothing behind a MAIL it refused itself',
    {
      send: [...start, mail('<x@y>'), mail('<a@b>')],
      says: 'cccc',
      sees: [...began, 'mail x@y', 'abort x@y', 'mail a@b'],
    },
  ],
  [
    'quit within a message',
    {
      send: [...start, mail(), quit],
      says: 'ccc',
      sees: [...began, 'mail a@example.net', 'abort a@example.net', 'close 192.0.2.1'],
    },
  ],
  [
    'nothing is heard behind quit',
    { send: [...start, quit, helo('late'), message], says: 'cc', sees: [...began, 'close 192.0.2.1'] },
  ],
  [
    'another session on the same connection',
    {
      send: [...start, mail(), nextSession, connect('192.0.2.9'), helo('x')],
      says: 'ccccc',
      sees: [...began, 'mail a@example.net', 'abort a@example.net', 'close 192.0.2.1', 'connect 192.0.2.9', 'helo x'],
    },
  ],
  [
    'CONNECT again without a word',
    { send: [...start, connect('192.0.2.9')], says: 'ccc', sees: [...began, 'close 192.0.2.1', 'connect 192.0.2.9'] },
  ],
  [
    'negotiated again',
    { send: [...start, negotiate(), connect('192.0.2.9')], sees: [...began, 'close 192.0.2.1', 'connect 192.0.2.9'] },
  ],
  ['HELO again after STARTTLS', { send: [...start, helo('b')], says: 'ccc', sees: [...began, 'helo b'] }],
  ['no HELO', { send: [connect(), mail()], says: 'cc', sees: ['connect 192.0.2.1', 'mail a@example.net'] }],
  [
    'no CONNECT',
    { send: [mail(), quit], says: 'c', sees: ['mail a@example.net', 'abort a@example.net', 'close unknown'] },
  ],
  [
    'an unknown SMTP command within a message',
    {
      send: [mail(), unknown('FOO'), rcpt()],
      says: 'ccc',
      sees: ['mail a@example.net', 'unknown FOO', 'rcpt b@example.com'],
    },
  ],
  ['ABORT outside of a message', { send: [...start, abort, abort], says: 'cc', sees: began }],
  ['a recipient without a message', { send: [...start, rcpt()], says: 'cct', sees: began }],
  ['an end without a message', { send: [eom()], says: 't', sees: [] }],
  ['a second end', { send: [...start, message, eom()], says: 'ccccccccct', sees: [...began, ...wholeMessage] }],
  [
    'a last piece with the end',
    { send: [mail(), body('a'), eom('b')], says: 'ccc', sees: ['mail a@example.net', 'body a', 'body b', 'eom'] },
  ],
  [
    'a last piece that is refused',
    { send: [mail(), eom('b')], says: 'cr', filter: { body: () => reject }, sees: ['mail a@example.net'] },
  ],
  [
    'a last piece when none was wanted any more',
    {
      send: [mail(), body('a'), eom('b')],
      says: 'csc',
      filter: { body: () => skip },
      sees: ['mail a@example.net', 'eom'],
    },
  ],
  [
    'ESMTP parameters',
    {
      send: [mail('<>', 'SIZE=1'), rcpt('<a@b>', 'NOTIFY=NEVER')],
      says: 'cc',
      sees: ['mail  SIZE=1', 'rcpt a@b NOTIFY=NEVER'],
    },
  ],

  [
    'an accepted message: the same answer to whatever comes',
    {
      send: [mail(), rcpt(), eom(), mail('<x@y>')],
      says: 'caac',
      filter: { rcpt: () => accept },
      sees: ['mail a@example.net', 'mail x@y'],
    },
  ],
  [
    'a refused sender',
    { send: [mail(), rcpt(), abort, mail('<x@y>')], says: 'rrr', filter: { mail: () => reject }, sees: [] },
  ],
  [
    'a refused recipient, and another',
    {
      send: [mail(), rcpt(), rcpt('<c@d>'), eom()],
      says: 'crrc',
      filter: { rcpt: () => reject },
      sees: ['mail a@example.net', 'eom'],
    },
  ],
  [
    'a recipient for later',
    {
      send: [mail(), rcpt(), eom()],
      says: 'ctc',
      filter: { rcpt: () => tempfail },
      sees: ['mail a@example.net', 'eom'],
    },
  ],
  [
    'a recipient that makes all of it vanish',
    { send: [mail(), rcpt(), eom()], says: 'cdd', filter: { rcpt: () => discard }, sees: ['mail a@example.net'] },
  ],
  [
    'a refusal in the header',
    {
      send: [mail(), header(), eoh, eom()],
      says: 'ctttt'.slice(0, 4),
      filter: { header: () => tempfail },
      sees: ['mail a@example.net'],
    },
  ],
  ['a client that is accepted', { send: [connect()], says: 'a', filter: { connect: () => accept }, sees: [] }],
  [
    'no more header fields',
    {
      send: [mail(), header('A'), header('B'), eoh],
      says: 'cccc',
      filter: { header: () => skip },
      sees: ['mail a@example.net', 'eoh'],
    },
  ],
  [
    'no more of the body',
    {
      send: [mail(), body('a'), body('b'), eom()],
      says: 'cscc',
      filter: { body: () => skip },
      sees: ['mail a@example.net', 'eom'],
    },
  ],
  [
    'no more of the body, told to an MTA that does not know it',
    {
      send: [mail(), body('a'), body('b'), eom()],
      says: 'cccc',
      offer: negotiate(6, 0x1ff, 0x1ffbff),
      filter: { body: () => skip },
      sees: ['mail a@example.net', 'eom'],
    },
  ],

  [
    'what is only looked at is not answered',
    {
      send: [...start, mail(), header(), eoh, body(), eom()],
      says: 'ccccc',
      filter: { silent: ['header', 'body'] },
      sees: [...began, 'mail a@example.net', 'header Subject:hello', 'eoh', 'body body', 'eom'],
    },
  ],
  [
    'unless the MTA waits for an answer',
    {
      send: [mail(), header(), eom()],
      says: 'ccc',
      offer: negotiate(6, 0x1ff, 0),
      filter: { silent: ['header'] },
      sees: ['mail a@example.net', 'header Subject:hello', 'eom'],
    },
  ],
  [
    'an answer where one only looks is ignored',
    {
      send: [mail(), header(), eom()],
      says: 'cc',
      filter: { silent: ['header'], header: () => reject },
      sees: ['mail a@example.net', 'eom'],
    },
  ],
  [
    'a space that the MTA took away',
    {
      send: [mail(), header('A', 'b')],
      says: 'cc',
      offer: negotiate(6, 0x1ff, 0xfffff),
      filter: { leadingSpace: true },
      sees: ['mail a@example.net', 'header A: b'],
    },
  ],
  [
    'a space that it left',
    {
      send: [mail(), header('A', ' b')],
      says: 'cc',
      filter: { leadingSpace: true },
      sees: ['mail a@example.net', 'header A: b'],
    },
  ],
];

for (const [what, { send, says, sees, filter, offer = negotiate() }] of table) {
  test(`session: ${what}`, () => {
    const { policy, seen } = recorder(filter);
    const talk = new Talk(policy).send(offer, ...send);
    if (says !== undefined) assert.equal(talk.answers.slice(1).join(''), says);
    assert.deepEqual(seen, sees);
    assert.deepEqual(talk.failures, []);
    assert.equal(talk.dropped, undefined);
    assert.ok(talk.writes.length <= 2, 'one write for one read, one more before the end');
  });

  test(`session, octet by octet: ${what}`, () => {
    const { policy, seen } = recorder(filter);
    const talk = new Talk(policy);
    for (const octet of Buffer.concat([offer, ...send])) talk.send(Buffer.from([octet]));
    if (says !== undefined) assert.equal(talk.answers.slice(1).join(''), says);
    assert.deepEqual(seen, sees);
  });
}

test('session: a filter without handlers lets everything pass, whatever the MTA can do', () => {
  for (const offer of [negotiate(), negotiate(6, 0, 0), negotiate(2, 0x3f, 0x3f)]) {
    const talk = new Talk({}).send(offer, ...start, message, quit);
    assert.ok(talk.answers.slice(1).every((answer) => answer === 'c'));
    assert.ok(talk.closed);
  }
});

const breaches: readonly [what: string, send: readonly Buffer[], problem: string][] = [
  ['CONNECT before the negotiation', [connect()], 'a command before the negotiation'],
  ['macros before the negotiation', [macros('C', 'j', 'mx')], 'a command before the negotiation'],
  ['an unknown command', [opening, packet('Z')], 'unknown command 0x5a'],
  ['an answer of ours', [opening, packet('c')], 'unknown command 0x63'],
  ['a length of 0', [opening, Buffer.alloc(4)], 'a frame of length 0'],
  ['a command without what it needs', [opening, packet('M', '<a@b>')], 'MAIL without a string'],
];

for (const [what, send, problem] of breaches) {
  test(`session: ${what} closes the connection, with all that belongs to it`, () => {
    const { policy, seen } = recorder();
    const talk = new Talk(policy).send(...send, helo('late'));
    assert.equal(talk.dropped, problem);
    assert.deepEqual(seen, send.length > 1 ? [...began, 'close 192.0.2.1'] : []);
    assert.equal(talk.answers.length, send.length > 1 ? 3 : 0);
  });
}

const refusals: readonly [answer: SessionAnswer, frame: string][] = [
  [accept, 'a'],
  [reject, 'r'],
  [tempfail, 't'],
  [replyWith(550, '5.7.1', 'No'), 'y550 5.7.1 No|'],
];

for (const [answer, frame] of refusals) {
  for (const event of ['connect', 'helo', 'unknown', 'mail', 'rcpt', 'data', 'header', 'eoh', 'body', 'eom'] as const) {
    test(`session: ${answer.kind} at ${event} is said there`, () => {
      const commands = {
        connect: connect(),
        helo: helo(),
        unknown: unknown(),
        mail: mail(),
        rcpt: rcpt(),
        data,
        header: header(),
        eoh,
        body: body(),
        eom: eom(),
      };
      const talk = new Talk({ [event]: () => answer });
      talk.send(negotiate(), mail());
      talk.said();
      talk.send(event === 'mail' ? Buffer.concat([abort, mail()]) : commands[event]);
      assert.deepEqual(talk.said(), [frame]);
    });
  }
}

const ends: readonly [what: string, answer: FinalAnswer, says: readonly string[]][] = [
  ['edits and continue', { kind: 'continue', edits: [insertHeader('X', 'v')] }, ['i[0]X|v|', 'c']],
  ['edits and accept', { kind: 'accept', edits: [{ kind: 'quarantine', reason: 'odd' }] }, ['qodd|', 'a']],
  ['a refused message is not edited', { kind: 'reject', edits: [insertHeader('X', 'v')] }, ['r']],
  ['nor one that is thrown away', { kind: 'discard', edits: [insertHeader('X', 'v')] }, ['d']],
  ['no edits', { kind: 'continue', edits: [] }, ['c']],
];

for (const [what, answer, says] of ends) {
  test(`end of message: ${what}, in one write`, () => {
    const talk = new Talk({ edits: ['insert-header', 'quarantine'], eom: () => answer }).send(negotiate(), mail());
    talk.said();
    talk.send(eom());
    assert.equal(talk.writes.length, 1);
    assert.deepEqual(talk.said(), says);
  });
}

test('end of message: edits the MTA does not offer are left out, and the filter can know', () => {
  const talk = new Talk({
    edits: ['insert-header', 'quarantine'],
    eom: ({ session }) => ({
      kind: 'continue',
      edits: [insertHeader('X', String(session.offers('quarantine'))), { kind: 'quarantine', reason: 'odd' }],
    }),
  });
  talk.send(negotiate(6, 0x01), mail(), eom());
  assert.deepEqual(talk.answers.slice(2), ['i[0]X|false|', 'c']);
});

const broken = (): never => {
  throw new Error('broken');
};
const failures: readonly [what: string, filter: MilterPolicy, send: readonly Buffer[], says: string, told: string][] = [
  ['at CONNECT', { connect: broken }, [connect()], 't', 'connect: broken'],
  ['at MAIL', { mail: broken }, [mail(), rcpt()], 'tt', 'mail: broken'],
  ['at RCPT, which concerns the recipient', { rcpt: broken }, [mail(), rcpt(), eom()], 'ctc', 'rcpt: broken'],
  ['in the body', { body: broken }, [mail(), body(), eom()], 'ctt', 'body: broken'],
  ['at the end', { eom: broken }, [mail(), eom(), mail()], 'ctc', 'eom: broken'],
  [
    'where nobody waits for an answer: the next one is it',
    { header: broken, silent: ['header'] },
    [mail(), header(), eom()],
    'ct',
    'header: broken',
  ],
  [
    'at a recipient it only looks at',
    { rcpt: broken, silent: ['rcpt'] },
    [mail(), rcpt(), eom()],
    'ct',
    'rcpt: broken',
  ],
  [
    'at a CONNECT it only looks at: no mail passes',
    { connect: broken, silent: ['connect'] },
    [connect(), helo(), mail()],
    'tt',
    'connect: broken',
  ],
  ['in making the state of a session', { newSession: broken }, [connect(), mail()], 'tt', 'newSession: broken'],
  ['in making the state of a message', { newTransaction: broken }, [connect(), mail(), eom()], 'ctt', 'mail: broken'],
  ['in taking leave', { abort: broken }, [mail(), abort, mail()], 'cc', 'abort: broken'],
  ['an answer that is none', { mail: () => 'continue' as never }, [mail()], 't', 'mail: no answer: "continue"'],
  [
    'an answer of an unknown kind',
    { mail: () => ({ kind: 'toString' }) as never },
    [mail()],
    't',
    'mail: no answer: {"kind":"toString"}',
  ],
  ['skip at the end', { eom: () => skip as never }, [mail(), eom(), mail()], 'ctc', 'eom: skip is no answer to eom'],
  ['skip at MAIL', { mail: () => skip as never }, [mail(), eom()], 'tt', 'mail: skip is no answer to mail'],
  [
    'PROGRESS for an answer',
    { eom: () => ({ kind: 'progress' }) as never },
    [mail(), eom(), mail()],
    'ctc',
    'eom: no answer: {"kind":"progress"}',
  ],
  ['discard at HELO', { helo: () => discard as never }, [helo()], 't', 'helo: discard is no answer to helo'],
  [
    'a reply that is none',
    { mail: () => replyWith(250, '', 'x') },
    [mail()],
    't',
    'mail: a reply of a filter cannot be 250',
  ],
  [
    'an edit that was not declared',
    { eom: () => ({ kind: 'continue', edits: [insertHeader('X', 'v')] }) },
    [mail(), eom()],
    'ct',
    'eom: the edit insert-header is not among the edits of the policy',
  ],
  [
    'a field that is none',
    { edits: ['insert-header'], eom: () => ({ kind: 'accept', edits: [insertHeader('X:', 'v')] }) },
    [mail(), eom()],
    'ct',
    'eom: not the name of a header field: "X:"',
  ],
];

for (const [what, filter, send, says, told] of failures) {
  test(`a broken filter, ${what}`, () => {
    const talk = new Talk(filter).send(negotiate(), ...send);
    assert.equal(talk.answers.slice(1).join(''), says);
    assert.equal(talk.failures[0], told);
    assert.equal(talk.dropped, undefined);
  });
}

test('a session’s state is its own, and a message’s is gone with it', () => {
  const policy: MilterPolicy<{ mails: number }, string[]> = {
    newSession: () => ({ mails: 0 }),
    newTransaction: ({ state }) => [`mail ${++state.mails}`],
    rcpt: ({ state }, { address }) => void state.push(address),
    eom: ({ state }) => replyWith(450, '', state.join(', ')),
  };
  const talk = new Talk(policy).send(negotiate());
  const says = (...send: readonly Buffer[]): string | undefined =>
    talk
      .send(...send)
      .said()
      .at(-1);
  assert.equal(says(mail(), rcpt('<a@b>'), rcpt('<c@d>'), eom()), 'y450 mail 1, a@b, c@d|');
  assert.equal(says(mail(), rcpt('<e@f>'), abort, mail(), rcpt('<g@h>'), eom()), 'y450 mail 3, g@h|');
  assert.equal(says(connect(), mail(), eom()), 'y450 mail 1|');
});

test('macros: those of a session stay, those of a message go with it', () => {
  const got: (string | undefined)[][] = [];
  const talk = new Talk({
    mail: (transaction) =>
      void got.push(['j', 'tls_version', '{auth_type}', 'i'].map((name) => transaction.macro(name))),
    eom: ({ queueId, session }) => void got.push([queueId, session.macro('j')]),
  });
  const auth = macros('M', '{auth_type}', 'PLAIN');
  talk.send(negotiate(), macros('C', 'j', 'mx'), connect(), macros('H', '{tls_version}', 'TLSv1.3'), helo());
  talk.send(auth, mail(), macros('E', 'i', 'ID'), eom(), mail(), abort, auth, mail(), abort, mail());
  talk.send(macros('H'), helo(), mail(), nextSession, mail());
  const none = undefined;
  assert.deepEqual(got, [
    ['mx', 'TLSv1.3', 'PLAIN', none],
    ['ID', 'mx'],
    ['mx', 'TLSv1.3', none, none],
    ['mx', 'TLSv1.3', 'PLAIN', none],
    ['mx', 'TLSv1.3', none, none],
    ['mx', none, none, none],
    [none, none, none, none],
  ]);
});
