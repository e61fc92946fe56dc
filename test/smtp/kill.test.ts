/** What was answered before a SIGKILL stays true after it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killLoop } from './kill-loop.js';

test('killed 20 times under load: every 250 is at the MTA, every 550 with an ID in quarantine and index, nothing half written', async () => {
  const { accepted, rejected, unsettled, rounds, ...faults } = await killLoop({ rounds: 20 });
  assert.deepEqual(faults, { lost: [], unarchived: [], half: [], torn: [], wrong: [] });
  assert.equal(rounds, 20);
  // Else it killed an idle process, or one that never came to an answer.
  assert.ok(accepted > 20 && rejected > 20 && unsettled > 5, JSON.stringify({ accepted, rejected, unsettled }));
});
