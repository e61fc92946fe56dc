import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { milterManual } from '../src/cli/milter/verify-sender/manual.js';
import { milterHelp } from '../src/cli/milter/options.js';
import { pluginsManual } from '../src/cli/plugins/manual.js';
import { packageRoot } from '../src/cli/package-root.js';
import { spfCommands } from '../src/cli/spf/commands.js';
import { settingsManual } from '../src/settings/describe.js';
import { pluginsPage } from './docs/plugins-page.js';

test('postern.conf(5) has every setting, as the schema has it', () => {
  const page = readFileSync(`${packageRoot}/man/postern.conf.5`, 'utf8');
  assert.ok(page.includes(settingsManual()), 'put the output of settingsManual() under SETTINGS in man/postern.conf.5');
});

test('postern-plugins(7) has the head of every plugin', () => {
  const page = readFileSync(`${packageRoot}/man/postern-plugins.7`, 'utf8');
  const make = `node -e "import('./dist/src/cli/plugins/manual.js').then((m) => console.log(m.pluginsManual()))"`;
  assert.ok(
    page.includes(`\n${pluginsManual()}\n`),
    `put what this prints under PLUGINS in man/postern-plugins.7: ${make}`,
  );
});

test('postern-spf(8) has every option', () => {
  const page = readFileSync(`${packageRoot}/man/postern-spf.8`, 'utf8').replaceAll('\\-', '-');
  const rows = spfCommands.flatMap(({ options = {} }) => Object.keys(options));
  assert.ok(rows.length > 8);
  for (const option of rows) assert.ok(page.includes(`--${option}`), option);
});

test('postern-track(8) has every option and key of postern track --help', () => {
  const page = readFileSync(`${packageRoot}/man/postern-track.8`, 'utf8').replaceAll('\\-', '-');
  const { stdout } = spawnSync(process.execPath, [`${packageRoot}/dist/src/main.js`, 'track', '--help'], {
    encoding: 'utf8',
  });
  const words = new Set(stdout.match(/--[a-z]+|^ {2}[a-z-]+:/gm));
  assert.ok(words.size > 25);
  for (const word of words) assert.ok(page.includes(word.trim()), word);
});

test('postern-milter.conf(5) has every parameter, as the table has it', () => {
  const page = readFileSync(`${packageRoot}/man/postern-milter.conf.5`, 'utf8');
  for (const which of ['of spf-milter', 'beyond'] as const)
    assert.ok(page.includes(milterManual(which)), `put the output of milterManual('${which}') into the page`);
});

test('postern-milter(8) has every option', () => {
  const page = readFileSync(`${packageRoot}/man/postern-milter.8`, 'utf8').replaceAll('\\-', '-');
  for (const [option] of milterHelp.matchAll(/--[a-z-]+/g)) assert.ok(page.includes(option), option);
});

test('postern-submission(8) has every variable of postern milter --policy submission --help', () => {
  const page = readFileSync(`${packageRoot}/man/postern-submission.8`, 'utf8');
  const words = [`${packageRoot}/dist/src/main.js`, 'milter', '--policy', 'submission', '--help'];
  const { stdout } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  const names = [...stdout.matchAll(/^ {2}([A-Z_]+) /gm)].map(([, name]) => name);
  assert.ok(names.length > 25);
  for (const name of names) assert.ok(page.includes(`\n.B ${name}\n`), name);
});

test('docs/plugins.md is what the heads of the plugins say', () => {
  const page = readFileSync(`${packageRoot}/docs/plugins.md`, 'utf8');
  assert.ok(page === pluginsPage(), 'npm run docs:plugins writes docs/plugins.md');
});
