/**
 * What a plugin does to what it is shown reaches neither the mail nor another plugin: each attempt through the
 * socket.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { message, Mx } from '../support/mx.js';

/** Plugins are JavaScript, whose compiler looks at nothing. */
// oxlint-disable-next-line typescript/no-explicit-any -- what the plugin sees, without its types
type Context = any;
type Attempt = (context: Context) => unknown;

const attempts: Record<string, Attempt> = {};
Object.assign(globalThis, { posternAttempts: attempts });

const hooks = ['connect', 'helo', 'mail', 'rcpt', 'data', 'dataPost', 'queue'];
const meddler = `
const hook = (name) => (context) => globalThis.posternAttempts[name]?.(context) ?? { kind: 'pass' };
export default { name: 'meddler', ${hooks.map((name) => `${name}: hook('${name}')`).join(', ')} };
`;
/** It stands behind the meddler, and says in a field what it sees. */
const witness = `
export default { name: 'witness', async dataPost({ recipients, header, reversePath, session, host, markers, domain, message, content, addField }) {
  const parts = []; for await (const part of message.parts()) parts.push(part);
  const { text } = await content();
  addField('X-Seen', [recipients.map(({ text }) => text).join(), header.get('subject'), reversePath, session.clientIp.text, session.helo,
    host.hostname, markers.checkMode(domain, 'nothing', true), (await session.clientName()).name, Buffer.concat(parts).includes('Hello.'), text.trim()].join(' '));
  return { kind: 'pass' };
} };
`;
const seen =
  'alice@example.com,bob@example.com test sender@sender.example 127.0.0.1 client.example mx.test.example off localhost true Hello.';

const folder = mkdtempSync(join(tmpdir(), 'postern-isolation-'));
let mx: Mx;
before(async () => {
  writeFileSync(join(folder, 'meddler.mjs'), meddler);
  writeFileSync(join(folder, 'witness.mjs'), witness);
  mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'example.com/users/valid/bob', 'example.com/checks/date'],
    settings: [`plugin_dirs=${folder}`, 'plugin_timeout=30s', 'dns_timeout=30s'],
    zone: { 'sender.example': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] } },
    plugins: ['valid_users', 'meddler', 'spf', 'date', 'witness'],
  });
});
beforeEach(() => {
  for (const hook of hooks) delete attempts[hook];
  mx.forget();
});
after(async () => {
  await mx?.close();
  rmSync(folder, { recursive: true });
});

const bothRecipients = ['alice@example.com', 'bob@example.com'];

/** [hook, what it tries, the trial] */
const trials: readonly (readonly [hook: string, what: string, attempt: Attempt])[] = [
  ...['dataPost', 'queue'].flatMap((hook): [string, string, Attempt][] => [
    [hook, 'takes a recipient out', ({ recipients }) => recipients.pop()],
    [hook, 'takes all recipients out', ({ recipients }) => recipients.splice(0)],
    [hook, 'makes another address of a recipient', ({ recipients: [first] }) => (first.text = 'x@elsewhere.example')],
    [hook, 'adds a recipient', ({ recipients: all }) => all.push({ ...all[0], text: 'x@elsewhere.example' })],
    [hook, 'puts another list in the place of the recipients', (context) => (context.recipients = [])],
    [
      hook,
      'defines the recipients anew',
      (context) => Object.defineProperty(context, 'recipients', { value: [{ text: 'x@elsewhere.example' }] }),
    ],
    [hook, 'takes all fields out', ({ header }) => header.fields.splice(0)],
    [hook, 'changes a field', ({ header }) => (header.fields[0].value = 'other')],
    [hook, 'changes the octets of a field', ({ header }) => header.fields[0].raw.fill(0)],
    [hook, 'puts another function in the place of header.get', ({ header }) => (header.get = () => undefined)],
    [hook, 'empties the message', ({ message: mail }) => mail.parts().splice(0)],
    [hook, 'overwrites the message', ({ message: mail }) => mail.parts().forEach((part: Buffer) => part.fill(0))],
    [hook, 'answers for content()', (context) => (context.content = () => Promise.resolve({ kind: 'read', text: '' }))],
    [
      hook,
      'changes the content that all are shown',
      async ({ content }) => {
        const read = await content();
        read.text = 'other';
        return { kind: 'pass' };
      },
    ],
    [
      hook,
      'answers for the promise of the content',
      ({ content }) => Object.assign(content(), { [['th', 'en'].join('')]: assert.fail }),
    ],
  ]),
  ['rcpt', 'makes another address of the recipient', ({ recipient }) => (recipient.text = 'x@elsewhere.example')],
  ['rcpt', 'makes another domain of the recipient', ({ recipient }) => (recipient.domain = 'elsewhere.example')],
  ['rcpt', 'puts another recipient there', (context) => (context.recipient = { text: 'x@elsewhere.example' })],
  ...['rcpt', 'data'].flatMap((hook): [string, string, Attempt][] => [
    [hook, 'takes a recipient out', ({ recipients }) => recipients.pop()],
    [hook, 'puts another list in the place of the recipients', (context) => (context.recipients = [])],
  ]),
  ['data', 'makes another address of a recipient', ({ recipients: [first] }) => (first.text = 'x@elsewhere.example')],
  ...['connect', 'helo', 'mail', 'rcpt', 'data', 'dataPost'].flatMap((hook): [string, string, Attempt][] => [
    [hook, 'makes another HELO name', ({ session }) => (session.helo = 'other.example')],
    [hook, 'makes another client address', ({ session }) => (session.clientIp.text = '192.0.2.9')],
    [hook, 'changes the words of the address', ({ session }) => (session.clientIp.words[0] = 0)],
    [hook, 'makes another reverse name', ({ session }) => (session.knownClientName.name = 'other.example')],
    [hook, 'hosts every domain', ({ markers }) => (markers.recipient = () => ({ kind: 'valid', marker: 'x' }))],
    [hook, 'switches every check on', ({ markers }) => (markers.checkMode = () => 'on')],
    [hook, 'answers for the DNS', ({ dns }) => (dns.lookup = () => ({ kind: 'failed', problem: 'x' }))],
    [
      hook,
      'changes an answer of the DNS that the next mail is given',
      async ({ dns }) => {
        const answer = await dns.lookup('sender.example', 'TXT');
        answer.records[0] = ['v=spf1 -all'];
        return { kind: 'pass' };
      },
    ],
    [hook, 'answers for the store', ({ store }) => (store.get = () => assert.fail())],
    [hook, 'makes another host name of ours', ({ host }) => (host.hostname = 'other.example')],
    [hook, 'forwards for everybody', ({ host }) => host.spfForwarders.push('*.example')],
    [hook, 'changes how contexts work', (context) => (Object.getPrototypeOf(context).session = undefined)],
    [
      hook,
      'takes a getter from all contexts',
      (context) => {
        let prototype = Object.getPrototypeOf(context);
        for (; !Object.hasOwn(prototype, 'session');) prototype = Object.getPrototypeOf(prototype);
        return Reflect.deleteProperty(prototype, 'session') ? assert.fail('deleted') : undefined;
      },
    ],
    [hook, 'changes what was found', ({ found }) => found.push({ plugin: 'x', word: 'reject', why: 'x' })],
    [hook, 'writes the log in the place of others', ({ log }) => (log.info = assert.fail)],
    [hook, 'changes how sessions work', ({ session }) => (session.constructor.prototype.helo = 'other.example')],
    [hook, 'leaves something of its own there', (context) => (context.mine = 1)],
  ]),
  ['mail', 'makes another sender', (context) => (context.reversePath = 'x@elsewhere.example')],
];

for (const [hook, what, attempt] of trials) {
  test(`at ${hook} a plugin ${what}: deferred, and nothing handed on, or as if it had not`, async () => {
    attempts[hook] = (context) => {
      const answer = attempt(context);
      return answer instanceof Promise ? answer : { kind: 'pass' };
    };
    const reply = await mx.send({ to: bothRecipients }).catch(() => '451 in the place of the greeting');
    if (reply.startsWith('250')) return assertIntact(reply);
    assert.match(reply, hook === 'helo' ? /^503 / : /^451 /); // EHLO itself was answered 451
    return assert.deepEqual(mx.delivered(), []);
  });

  test(`at ${hook} a plugin ${what}, and swallows what it is told: as if it had not`, async () => {
    attempts[hook] = async (context) => {
      try {
        await attempt(context);
      } catch {
        // it does not want to know
      }
      return { kind: 'pass' };
    };
    assertIntact(await mx.send({ to: bothRecipients }));
  });
}

/** The mail came through for both, whole, and whoever came behind the meddler saw it as it was sent. */
function assertIntact(reply: string): void {
  assert.match(reply, /^250 /);
  const delivered = mx.delivered();
  assert.deepEqual(
    delivered.map((mail) => /^X-Original-To: (.*)\r$/m.exec(mail)?.[1] ?? '').toSorted(),
    bothRecipients,
  );
  const sent = message().split('\r\n\r\n')[0] ?? '';
  for (const mail of delivered) {
    const unfolded = mail.replace(/\r\n[ \t]+/g, ' ');
    assert.match(unfolded, new RegExp(`^X-Seen: ${seen.replaceAll('.', '\\.')}\\r$`, 'm'));
    assert.ok(mail.endsWith(`${sent.slice(sent.indexOf('Message-ID'))}\r\n\r\nHello.\r\n`), mail);
  }
  assert.ok(delivered.every((mail) => mail.includes('\r\nFrom: <sender@sender.example>\r\n')));
}

test('a field that a plugin takes out is still there for the check behind it', async () => {
  attempts['dataPost'] = ({ header }) => {
    try {
      header.fields.splice(0);
    } catch {
      // it goes on
    }
  };
  assert.match(await mx.send({ to: bothRecipients }), /^250 /);
  assert.match(await mx.send({ message: message({ without: ['date'] }) }), /^550 5\.7\.1 Missing header - Date:/);
});

/** [what it returns, a verdict, the reply] */
const verdicts: readonly (readonly [what: string, verdict: () => unknown, reply: RegExp])[] = [
  ['a proxy of a pass', () => new Proxy({ kind: 'pass' }, {}), /^250 /],
  [
    'a proxy that is another kind each time it is asked',
    () => {
      const kinds = ['reject', 'pass', 'accept'];
      return new Proxy({}, { get: (_, name) => (name === 'kind' ? (kinds.shift() ?? 'pass') : 'x') });
    },
    /^451 4\.3\.0 /,
  ],
  [
    'a proxy that throws',
    () =>
      new Proxy(
        {},
        {
          get() {
            throw new Error('no');
          },
        },
      ),
    /^451 4\.3\.0 /,
  ],
  [
    'a verdict whose getter throws',
    () => ({
      kind: 'reject',
      get reason() {
        throw new Error('no');
      },
    }),
    /^451 4\.3\.0 /,
  ],
  [
    'a refusal whose code is a success when it is read again',
    () => {
      const codes = [554, 250];
      return {
        kind: 'refuse',
        log: 'x',
        reply: {
          get code() {
            return codes.shift();
          },
          enhanced: '5.7.1',
          text: 'No',
          close: false,
        },
      };
    },
    /^554 5\.7\.1 No$/,
  ],
  [
    'a reply of two lines',
    () => ({ kind: 'refuse', log: 'x', reply: { code: 554, enhanced: '5.7.1', text: 'No\r\n250 Yes', close: false } }),
    /^554 5\.7\.1 No\?\?250 Yes$/,
  ],
];
for (const [what, verdict, reply] of verdicts) {
  test(`a plugin that returns ${what}`, async () => {
    attempts['dataPost'] = verdict;
    assert.match(await mx.send(), reply);
    assert.equal(mx.delivered().length, reply.test('250 ') ? 1 : 0);
  });
}

test('a verdict that its plugin changes afterwards stays as it was', async () => {
  const verdict = { kind: 'reject', about: 'mail', enhanced: '5.7.1', reason: 'First', log: 'x' };
  attempts['dataPost'] = () => {
    setImmediate(() => Object.assign(verdict, { kind: 'pardon', lifts: 'all', reason: 'Second' }));
    return verdict;
  };
  assert.match(await mx.send(), /^550 5\.7\.1 First \(/);
});

test('a field that comes behind the verdict comes too late', async () => {
  attempts['dataPost'] = async ({ addField, content }) => {
    await content();
    setImmediate(() => addField('X-Late', 'x'));
    await new Promise((resolve) => setTimeout(resolve, 3000).unref());
  };
  assert.match(await mx.send(), /^451 /);
  attempts['queue'] = ({ addField }) => void setTimeout(() => addField('X-Late', 'x'), 1);
  delete attempts['dataPost'];
  assert.match(await mx.send(), /^250 /);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(mx.delivered().every((mail) => !mail.includes('X-Late')));
});

/** [what it adds, how] */
const additions: readonly (readonly [what: string, add: Attempt])[] = [
  ['a field without a name', ({ addField }) => addField('', 'x')],
  ['a field whose name ends the header', ({ addField }) => addField('A\r\n\r\nB', 'x')],
  ['a field that is no text', ({ addField }) => addField('X-A', 7)],
  ['a result that is no text', (context) => context.recordAuthentication({ method: 'x', result: {}, details: [] })],
];
for (const [what, add] of additions) {
  test(`a plugin that adds ${what} is told so, and the mail deferred`, async () => {
    attempts['dataPost'] = add;
    assert.match(await mx.send(), /^451 4\.3\.0 /);
    assert.ok(mx.log.some(({ plugin, msg, why }) => plugin === 'meddler' && msg === 'error' && why !== undefined));
  });
}
