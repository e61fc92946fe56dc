/**
 * The end of the event loop's turn: what is written goes out there, all of it together. Each write wakes the process
 * that waits for it, which costs more than the write; of writes that follow each other at once only the first does.
 * Where in each of many turns only one thing was dealt with there is nothing to wait for: a turn ends with it.
 */

let calls: (() => void)[] = [];
let later: (() => void)[] = [];
/** The loop will tell when its turn is over. */
let isLoopAsked = false;
/** How many things were dealt with in this turn of the loop while calls were due. */
let dealt = 0;
/** How many turns of the loop in a row had one of them at most. */
let quietTurns = 0;
/** This turn ends with the loop's. */
let isHeld = false;

/** With fewer, writes that could have gone out together would often be parted. */
const manyTurns = 8;

/** Calls when the turn ends, in the order in which it was asked for. */
export function atTurnEnd(call: () => void): void {
  willEnd();
  calls.push(call);
}

/** Calls behind all that `atTurnEnd` calls, when replies and commands have gone out. No turn ends early for it. */
export function behindTurnEnd(call: () => void): void {
  willEnd();
  later.push(call);
}

/**
 * To be told as the last thing when octets of a peer, or an answer that was waited for, were dealt with. What whoever
 * does not tell has asked for waits for the loop.
 */
export function dealtWith(): void {
  if (calls.length === 0) return;
  dealt++;
  if (dealt === 1 && quietTurns >= manyTurns && !isHeld) endTurn();
}

/** A peer may have said more than was read, which is to be looked at before anything is written. */
export function moreMayCome(): void {
  willEnd();
  isHeld = true;
}

function willEnd(): void {
  if (!isLoopAsked) setImmediate(endLoopTurn);
  isLoopAsked = true;
}

function endLoopTurn(): void {
  isLoopAsked = false;
  isHeld = false;
  quietTurns = dealt > 1 ? 0 : quietTurns + 1;
  dealt = 0;
  endTurn();
}

/** Where a call throws, which is a bug, the others are made in the next turn. */
function endTurn(): void {
  const due = calls;
  due.push(...later);
  calls = [];
  later = [];
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
