import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const turnEnd = JSON.stringify(new URL('../src/turn-end.js', import.meta.url).href);

/** What a program says that outlives its mistakes, as a worker does. */
function said(body: string): string {
  const source = `import { atTurnEnd, behindTurnEnd, dealtWith, moreMayCome } from ${turnEnd};
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

/** Turns in each of which so many things happen, then `body` in one that follows. */
const behindTurns = (turns: number, things: number, body: string): string => `
  const happen = () => { atTurnEnd(() => {}); dealtWith(); };
  const turn = (left) => {
    if (left === 0) { ${body} return; }
    for (let i = 0; i < ${things}; i++) happen();
    setImmediate(() => setTimeout(turn, 1, left - 1));
  };
  turn(${turns});`;

const twoThings = `atTurnEnd(() => say('a')); behindTurnEnd(() => say('b')); dealtWith(); say('c');
  atTurnEnd(() => say('d')); dealtWith(); say('e');`;

test('behind many turns in which one thing has happened a turn ends with the first; a second waits for its end', () => {
  assert.equal(said(behindTurns(20, 1, twoThings)), 'a b c e d');
});

test('where several things happen in a turn, or not enough turns were quiet, all wait for its end', () => {
  assert.equal(said(behindTurns(20, 2, twoThings)), 'c e a d b');
  assert.equal(said(behindTurns(7, 1, twoThings)), 'c e a d b');
  assert.equal(said(behindTurns(8, 1, twoThings)), 'a b c e d');
});

test('where more may come the turn ends with that of the loop, and the next one early again', () => {
  const nextTurn = `setTimeout(() => { atTurnEnd(() => say('f')); dealtWith(); say('g'); }, 1);`;
  const held = `moreMayCome(); atTurnEnd(() => say('a')); dealtWith(); say('b'); ${nextTurn}`;
  assert.equal(said(behindTurns(20, 1, held)), 'b a f g');
});

test('what is asked for behind the end alone does not count as having been dealt with', () => {
  const behind = `behindTurnEnd(() => say('d')); dealtWith(); atTurnEnd(() => say('a')); dealtWith(); say('c');`;
  assert.equal(said(behindTurns(20, 1, behind)), 'a d c');
});

test('one busy turn ends the quiet ones', () => {
  const busy = `happen(); happen(); setTimeout(() => { ${twoThings} }, 1);`;
  assert.equal(said(behindTurns(20, 1, busy)), 'c e a d b');
});

test('what nothing comes of does not count as having happened', () => {
  assert.equal(said(behindTurns(20, 1, `dealtWith(); dealtWith(); ${twoThings}`)), 'a b c e d');
});

test('a call that throws when a turn ends early costs none of the others either', () => {
  const fails = `atTurnEnd(() => { throw new Error('oops'); }); atTurnEnd(() => say('a'));
    try { dealtWith(); } catch (error) { say('caught ' + error.message); }`;
  assert.equal(said(behindTurns(20, 1, fails)), 'caught oops a');
});
