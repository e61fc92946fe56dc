/**
 * What fuzzing has found stays mended: each target takes its corpus, and some inputs made of it, the same every time.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { corpusOf, shown } from './corpus.js';
import { failureOf } from './fuzzer.js';
import { mutated, randomFrom } from './random.js';
import { targets } from './targets.js';

const count = 200;

for (const [name, target] of Object.entries(targets))
  describe(name, () => {
    before(() => target.open?.());
    after(() => target.close?.());
    const corpus = corpusOf(name, target);

    test('the kept inputs', () => hold(corpus));
    test(`${count} more`, () => {
      const random = randomFrom(1);
      return hold(Array.from({ length: name === 'smtp-session' ? count / 4 : count }, () => mutated(corpus, random)));
    });

    async function hold(inputs: readonly Buffer[]): Promise<void> {
      for (const octets of inputs) {
        const failure = await failureOf(target, octets);
        if (failure) assert.fail(`${shown(octets)}: ${String(failure.error)}`);
      }
    }
  });
