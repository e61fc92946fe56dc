/** Turns of the event loop in each of which one thing is dealt with, so that the next ones end early. */
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { atTurnEnd, dealtWith } from '../../src/turn-end.js';

export async function quietTurns(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    atTurnEnd(() => {});
    dealtWith();
    await endOfTurn();
  }
}
