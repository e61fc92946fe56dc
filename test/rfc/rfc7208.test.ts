/**
 * The RFC 7208 test suite (rfc7208-tests.json; its licence and conversion rules are beside it): every case, against
 * the first of the results it allows, and every explanation.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseIp } from '../../src/mail/ip.js';
import { zoneResolver } from '../../src/dns/zone.js';
import { checkHost } from '../../src/spf/check-host.js';

interface SuiteCase {
  readonly name: string;
  readonly helo: string;
  readonly ip: string;
  readonly mailfrom: string;
  readonly result: readonly string[];
  /** "DEFAULT": no explanation of the domain's may be used. */
  readonly explanation?: string;
  readonly spec: string | number | readonly (string | number)[];
}

interface Suite {
  readonly counts: { readonly tests: number; readonly with_explanation: number };
  readonly scenarios: readonly {
    readonly description: string;
    readonly tests: readonly SuiteCase[];
    readonly zonedata: unknown;
  }[];
}

/** Beside the source of this test, also when the compiled one runs. */
const file = new URL('rfc7208-tests.json', import.meta.url.replace('/dist/test/', '/test/'));
const suite = JSON.parse(readFileSync(file, 'utf8')) as Suite;
let results = 0;
let explanations = 0;

for (const { description, tests, zonedata } of suite.scenarios) {
  describe(description, () => {
    const resolver = zoneResolver(zonedata);
    for (const test of tests) {
      it(`${test.name} (${[test.spec].flat().join(', ')}): ${test.result[0]}`, async () => {
        const ip = parseIp(test.ip);
        assert.ok(ip);
        const outcome = await checkHost({ ip, helo: test.helo, from: test.mailfrom }, { resolver });
        assert.equal(outcome.result, test.result[0], outcome.problem ?? '');
        results++;
        if (test.explanation === undefined) return;
        // Conversion rule 9: the case of hexadecimal digits does not matter in v-macro-ip6.
        const folded = (text: string): string => (test.name === 'v-macro-ip6' ? text.toLowerCase() : text);
        assert.equal(folded(outcome.explanation ?? 'DEFAULT'), folded(test.explanation));
        explanations++;
      });
    }
  });
}

it('every case was run: 203 results and 22 explanations', () => {
  assert.deepEqual([results, explanations], [203, 22]);
  assert.deepEqual([suite.counts.tests, suite.counts.with_explanation], [203, 22]);
});
