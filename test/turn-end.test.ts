import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const turnEnd = JSON.stringify(new URL('../src/turn-end.js', import.meta.url).href);

/** What a program says that outlives its mistakes, as a worker does. */
function said(body: string): string {
  const source = `import { atTurnEnd, behindTurnEnd } from ${turnEnd};
    const say = (word) => process.stdout.write(word + ' ');
    process.on('uncaughtException', ({ message }) => say(message));
    ${body}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
  assert.equal(stderr, '');
  return stdout.trim();
}

test('calls are made when the turn is over, in order; what they ask for comes a turn later', () => {
  const body = `atTurnEnd(() => { say('a'); atTurnEnd(() => say('d')); });
    atTurnEnd(() => say('b'));
    setImmediate(() => say('c'));
    Promise.resolve().then(() => say('now'));`;
  assert.equal(said(body), 'now a b c d');
});

test('what is asked for behind the end comes behind all calls of the turn, and alone ends one too', () => {
  const body = `behindTurnEnd(() => { say('c'); behindTurnEnd(() => say('e')); atTurnEnd(() => say('d')); });
    atTurnEnd(() => { say('a'); setImmediate(() => say('f')); });
    atTurnEnd(() => say('b'));
    setTimeout(() => behindTurnEnd(() => say('g')), 20);`;
  assert.equal(said(body), 'a b c f d e g');
});

test('a call that throws costs none of the others', () => {
  const fails = (word: string): string => `atTurnEnd(() => { throw new Error('${word}'); });`;
  const body = `atTurnEnd(() => { say('a'); atTurnEnd(() => say('d')); });
    ${fails('oops')} atTurnEnd(() => say('b')); ${fails('again')} atTurnEnd(() => say('c'));`;
  assert.equal(said(body), 'a oops b again c d');
});
