/** STARTTLS to an MTA that does what the test says; real certificates are test/peers/relay-tls. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openRelay, type Relay } from '../../src/relay/relay.js';
import { request } from './support/requests.js';
import { type Answer, garble, ScriptedMta, type Step } from './support/scripted-mta.js';
import { destinations, usual } from './support/with-relay.js';

interface Site {
  readonly mta: ScriptedMta;
  readonly relay: Relay;
  readonly problems: string[];
}

async function siteOf(t: TestContext, words: string, script?: (step: Step) => Answer, offers = true): Promise<Site> {
  const extensions = offers ? [...usual, 'STARTTLS'] : usual;
  const mta = await ScriptedMta.start({ extensions, ...(script && { script }) });
  const problems: string[] = [];
  const relay = openRelay({
    destinations: destinations(`127.0.0.1:${mta.port} ${words}`),
    hostname: 'postern.example',
    connections: 4,
    timeoutMs: 20_000,
    onError: (problem) => problems.push(problem),
  });
  t.after(async () => {
    await relay.close();
    await mta.stop();
  });
  return { mta, relay, problems };
}

const at =
  (verb: string, answer: Answer) =>
  (step: Step): Answer =>
    step.verb === verb ? answer : undefined;

/** What is said by SMTP, without the octets of a handshake that failed. */
const said = ({ said: lines }: ScriptedMta): readonly string[] => lines.filter((line) => /^[A-Z]{4,8}\b/.test(line));

test('tls=no says nothing of it, though it is offered', async (t) => {
  const { mta, relay } = await siteOf(t, '');
  assert.equal((await relay.send(request())).kind, 'accepted');
  assert.ok(!mta.said.includes('STARTTLS'));
});

test('tls=may goes without where it is not offered', async (t) => {
  const { mta, relay } = await siteOf(t, 'tls=may', undefined, false);
  assert.equal((await relay.send(request())).kind, 'accepted');
  assert.ok(!mta.said.includes('STARTTLS'));
});

test('tls=may goes without where STARTTLS is refused, on the same connection', async (t) => {
  const { mta, relay } = await siteOf(t, 'tls=may', at('STARTTLS', '454 4.7.0 TLS not available'));
  assert.equal((await relay.send(request())).kind, 'accepted');
  assert.equal(mta.lines.length, 1);
});

test('tls=may goes without, on another connection, where hands cannot be shaken, and says so once', async (t) => {
  const { mta, relay, problems } = await siteOf(t, 'tls=may', at('STARTTLS', garble));
  const results = await Promise.all([1, 2, 3].map(() => relay.send(request())));
  assert.deepEqual(
    results.map(({ kind }) => kind),
    ['accepted', 'accepted', 'accepted'],
  );
  assert.equal(mta.messages.length, 3);
  assert.deepEqual(
    problems.map((problem) => problem.replace(/, for .*/, '')),
    [`127.0.0.1:${mta.port} tls=may: without TLS`],
  );
});

/** [what happens, the script, is it offered?, what the log says] */
const failures: readonly (readonly [string, ((step: Step) => Answer) | undefined, boolean, RegExp])[] = [
  ['it is not offered', undefined, false, /it offers no STARTTLS, and tls=must/],
  ['it is refused', at('STARTTLS', '454 4.7.0 not now'), true, /STARTTLS was answered 454 4\.7\.0 not now/],
  ['hands cannot be shaken', at('STARTTLS', garble), true, /tls=must: /],
  ['the connection ends', at('STARTTLS', { act: 'close' }), true, /connection closed/],
];
for (const [what, script, offers, expected] of failures) {
  test(`tls=must: no mail where ${what}`, async (t) => {
    const { mta, relay } = await siteOf(t, 'tls=must', script, offers);
    const result = await relay.send(request());
    assert.match(result.kind === 'unreachable' ? result.problem : result.kind, expected);
    assert.ok(!said(mta).some((line) => /^(?:MAIL|RCPT|DATA|XFORWARD|XCLIENT)/.test(line)), said(mta).join('\n'));
    assert.equal((await relay.probe('foo@example.com')).kind, 'unknown');
  });
}

for (const words of ['tls=may', 'tls=must']) {
  test(`${words}: what was said in clear behind the 220 is not taken for what TLS says`, async (t) => {
    const injected = '220 2.0.0 go ahead\r\n250-evil.example\r\n250 SIZE 1';
    const { mta, relay } = await siteOf(t, words, at('STARTTLS', injected));
    const result = await relay.send(request());
    assert.match(result.kind === 'unreachable' ? result.problem : result.kind, /the MTA spoke without being asked/);
    assert.equal(mta.messages.length, 0);
  });
}
