/**
 * The end of the event loop's turn: what is written goes out there, all of it together. Each write wakes the process
 * that waits for it, which costs more than the write; of writes that follow each other at once only the first does.
 * Where in each of many turns only one thing has happened there is nothing to wait for: a turn ends with it.
 */

let calls: (() => void)[] = [];
let later: (() => void)[] = [];
/** The loop will tell when its turn is over. */
let isLoopAsked = false;
/** How many of the things that have happened in this turn of the loop led to calls. */
let happened = 0;
/** How many turns in a row had one at most. */
let quietTurns = 0;

/** With fewer, writes that could have gone out together would often be parted. */
const manyTurns = 8;

/** Calls when all that has come in this turn was dealt with, in the order in which it was asked for. */
export function atTurnEnd(call: () => void): void {
  willEnd();
  calls.push(call);
}

/** Calls behind all that `atTurnEnd` calls, when replies and commands have gone out. */
export function behindTurnEnd(call: () => void): void {
  willEnd();
  later.push(call);
}

/** To be told as the last thing when octets of a peer, or an answer that was waited for, were dealt with. */
export function dealtWith(): void {
  if (calls.length === 0) return;
  happened++;
  if (happened === 1 && quietTurns >= manyTurns) endTurn();
}

function willEnd(): void {
  if (!isLoopAsked) setImmediate(endLoopTurn);
  isLoopAsked = true;
}

function endLoopTurn(): void {
  isLoopAsked = false;
  quietTurns = happened > 1 ? 0 : quietTurns + 1;
  happened = 0;
  endTurn();
}

/** Where a call throws, which is a bug, the others are made in the next turn. */
function endTurn(): void {
  const due = later.length === 0 ? calls : calls.concat(later);
  calls = [];
  if (later.length > 0) later = [];
  let made = 0;
  try {
    for (const call of due) {
      made++;
      call();
    }
  } finally {
    if (made < due.length) {
      willEnd();
      calls = [...due.slice(made), ...calls];
    }
  }
}
