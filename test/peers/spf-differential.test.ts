/**
 * postern, pyspf and Mail::SPF judge the same random cases. Where they differ, a class of test/spf/differences.md
 * explains it, or the test fails and prints the case, made small.
 *
 * POSTERN_SPF_CASES (default 5000) cases are judged, from seed POSTERN_SPF_SEED (default 0) on.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { randomSpfCase, type SpfCase } from '../support/spf-cases.js';
import { explain, isSame, type DifferenceClass } from './spf/difference.js';
import { Facts, judgeWithPostern } from './spf/facts.js';
import { mailSpfClasses } from './spf/mail-spf-classes.js';
import { isInstalled, SpfPeer, type PeerName } from './spf/peer.js';
import { pyspfClasses } from './spf/pyspf-classes.js';
import { shrink } from './spf/shrink.js';

const firstSeed = Number(process.env['POSTERN_SPF_SEED'] ?? 0);
const cases = Number(process.env['POSTERN_SPF_CASES'] ?? 5000);
/** How many cases a peer is given at once. */
const batch = 200;

/** The cases in parts, so that a busy machine is seen to get on. */
const partSize = 1000;
const parts = Array.from({ length: Math.ceil(cases / partSize) }, (_, i): Seeds => {
  const from = firstSeed + i * partSize;
  return { from, to: Math.min(from + partSize, firstSeed + cases) };
});

interface Seeds {
  readonly from: number;
  /** The first that is not among them. */
  readonly to: number;
}

const casesForBreadth = 1000;
/** The share of wrong results that one class, and all of a peer together, may explain. */
const broadestClass = 0.015;
const broadestOfAll = 0.06;

const peers: readonly { readonly name: PeerName; readonly classes: readonly DifferenceClass[] }[] = [
  { name: 'pyspf', classes: pyspfClasses },
  { name: 'Mail::SPF', classes: mailSpfClasses },
];

/** Beside the source of this test, also when the compiled one runs. */
const document = readFileSync(
  new URL('../spf/differences.md', import.meta.url.replace('/dist/test/', '/test/')),
  'utf8',
);

/** A section of differences.md: its heading, and its example in a block of JSON. */
interface Section {
  readonly name: string;
  readonly example: SpfCase;
  /** What postern and the peer make of it: a result, or an explanation after a colon. */
  readonly postern: string;
  readonly peer: string;
}

const sections: readonly Section[] = [...document.matchAll(/^### (.+)\n[^]*?^```json\n([^]*?)^```$/gm)].map(
  ([, name = '', text = '']) => {
    const {
      ip = '192.0.2.1',
      helo = 'mail.example.net',
      from = 'user@example.org',
      zone,
      postern,
      peer,
    } = JSON.parse(text);
    return { name, example: { ip, helo, from, zone }, postern, peer };
  },
);

for (const { name, classes } of peers) {
  describe(`${name} and postern`, () => {
    it('every class of differences has a section, and every section a class', () => {
      assert.deepEqual(
        sections.filter((section) => section.name.startsWith(name)).map((section) => section.name),
        classes.map((one) => one.name),
      );
    });

    it('no class explains many results that postern does not give', () => checkBreadth(classes));

    it('the example of each section is judged as it says', (t) =>
      withPeer(t, name, (peer) => checkExamples(peer, classes)));

    for (const seeds of parts) {
      it(`differ in the random cases ${seeds.from} to ${seeds.to - 1} only as explained`, (t) =>
        withPeer(t, name, (peer) => compare(peer, classes, seeds)));
    }
  });
}

/**
 * A class that explains anything explains a fault of postern's away. So each case is given every wrong result in
 * turn, as if the peer had said so: hardly any may be explained.
 */
function checkBreadth(classes: readonly DifferenceClass[]): void {
  const results = ['none', 'neutral', 'pass', 'fail', 'softfail', 'temperror', 'permerror'];
  const counts = new Map<string, number>();
  for (let seed = 0; seed < casesForBreadth; seed++) {
    const spfCase = randomSpfCase(seed);
    const outcome = judgeWithPostern(spfCase);
    for (const result of results) {
      if (result === outcome.result) continue;
      const theirs = { result, explanation: undefined };
      for (const name of explain(classes, new Facts(spfCase, outcome, theirs)) ?? [])
        counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  const wrongResults = casesForBreadth * (results.length - 1);
  const broad = [...counts].filter(([, count]) => count > wrongResults * broadestClass);
  assert.deepEqual(broad, [], `of ${wrongResults} wrong results`);
  assert.ok([...counts.values()].reduce((sum, count) => sum + count, 0) < wrongResults * broadestOfAll);
}

async function withPeer(t: TestContext, name: PeerName, use: (peer: SpfPeer) => Promise<void>): Promise<void> {
  if (!isInstalled(name)) {
    assert.notEqual(
      process.env['POSTERN_REQUIRE_PEERS'],
      '1',
      `${name} is not installed, and POSTERN_REQUIRE_PEERS=1 asks for it`,
    );
    t.skip(`${name} is not installed`);
    return;
  }
  const peer = new SpfPeer(name);
  try {
    await use(peer);
  } finally {
    await peer.stop();
  }
}

async function checkExamples(peer: SpfPeer, classes: readonly DifferenceClass[]): Promise<void> {
  for (const section of sections.filter(({ name }) => name.startsWith(peer.name))) {
    const outcome = judgeWithPostern(section.example);
    const theirs = await peer.judge(section.example);
    assert.equal(shown(outcome), section.postern, section.name);
    assert.ok(!isSame(outcome, theirs), `${section.name}: no more; take it out of differences.md and of the classes`);
    assert.equal(shown(theirs), section.peer, section.name);
    assert.deepEqual(explain(classes, new Facts(section.example, outcome, theirs)), [section.name]);
  }
}

const shown = ({ result, explanation }: { result: string; explanation: string | undefined }): string =>
  explanation === undefined ? result : `${result}: ${explanation}`;

async function compare(peer: SpfPeer, classes: readonly DifferenceClass[], { from, to }: Seeds): Promise<void> {
  const odd: SpfCase[] = [];
  for (let first = from; first < to; first += batch) {
    const some = Array.from({ length: Math.min(batch, to - first) }, (_, i) => randomSpfCase(first + i));
    const unexplained = await Promise.all(some.map((one) => isUnexplained(peer, classes, one)));
    odd.push(...some.filter((_, i) => unexplained[i]));
  }
  if (odd.length > 0)
    assert.fail(
      `${odd.length} unexplained differences:\n${(await Promise.all(odd.slice(0, 5).map((one) => reproduction(peer, classes, one)))).join('\n')}`,
    );
}

async function isUnexplained(peer: SpfPeer, classes: readonly DifferenceClass[], spfCase: SpfCase): Promise<boolean> {
  const outcome = judgeWithPostern(spfCase);
  const theirs = await peer.judge(spfCase);
  return !isSame(outcome, theirs) && explain(classes, new Facts(spfCase, outcome, theirs)) === undefined;
}

async function reproduction(peer: SpfPeer, classes: readonly DifferenceClass[], spfCase: SpfCase): Promise<string> {
  const small = await shrink(spfCase, (one) => isUnexplained(peer, classes, one));
  return JSON.stringify({ ...small, postern: shown(judgeWithPostern(small)), peer: shown(await peer.judge(small)) });
}
