/** What needs a walk over /srv holds up nobody: counted in turns of the event loop, whatever the machine does. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { surveyAside } from '../../../src/cli/serve/survey-aside.js';
import { createLogger } from '../../../src/log.js';
import { loadSettings } from '../../../src/settings/settings.js';
import { makeRoot } from '../../support/child.js';

const domains = 20_000;

test('20,000 domains are gone through beside the event loop, and what does nothing is logged', async () => {
  const root = makeRoot([]);
  try {
    for (let i = 0; i < domains; i++) mkdirSync(join(root, 'srv', `d${i}.example`));
    for (const [marker, text] of [
      ['checks/spff', ''],
      ['expire', 'expire = soon'],
    ] as const) {
      mkdirSync(join(root, 'srv/last.example/checks'), { recursive: true });
      writeFileSync(join(root, 'srv/last.example', marker), text);
    }
    const loaded = loadSettings({ argv: [`--srv=${root}/srv`], env: {}, readFile: () => '', otherFlags: [] });
    assert.ok(loaded.ok);
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns++;
      if (!isOver) setImmediate(turn);
    };
    const heard: string[] = [];
    const warnings = await new Promise<readonly string[]>((resolve) => {
      const said: string[] = [];
      const write = (line: string): void => {
        said.push((JSON.parse(line) as { msg: string }).msg);
        if (said.length === 2) resolve(said);
      };
      const log = createLogger(loaded.value.settings, { stream: { write }, isTerminal: false });
      surveyAside(loaded.value.settings, [{ name: 'spf', inAll: true }], { log, heard: (all) => heard.push(...all) });
      turn();
    });
    isOver = true;
    assert.match(warnings[0] ?? '', /^last\.example\/checks\/spff does nothing/);
    assert.match(warnings[1] ?? '', /^last\.example\/expire: expire must be/);
    assert.ok(turns > 100, `${turns} turns`);
  } finally {
    rmSync(root, { recursive: true });
  }
});
