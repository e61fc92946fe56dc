/**
 * The end of the event loop's turn: what is written goes out there, all of it together. Each write wakes the process
 * that waits for it, which costs more than the write; of writes that follow each other at once only the first does.
 */

let calls: (() => void)[] = [];
let later: (() => void)[] = [];

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

function willEnd(): void {
  if (calls.length === 0 && later.length === 0) setImmediate(endTurn);
}

/** Where a call throws, which is a bug, the others are made in the next turn. */
function endTurn(): void {
  const due = calls.concat(later);
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
