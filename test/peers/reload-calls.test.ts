/**
 * HUP goes through every domain of /srv, and no thread that serves does: strace shows which of them looks where. How
 * long it takes says nothing on a busy machine.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PosternProcess } from '../support/child.js';
import { needPeer } from '../support/peers.js';
import { traced } from '../support/strace.js';

const domains = 300;
const calls = 'open,openat,?stat,?lstat,statx,newfstatat';

const isWalk = (line: string): boolean => /\/srv\/d\d+\.example/.test(line);

test('at HUP the threads that serve look into none of 300 domains: another one does', async (t) => {
  if (!needPeer(t, 'strace')) return;
  const markers = Array.from({ length: domains }, (_, i) => `d${i}.example/users/valid/alice`);
  // It is warned of, which shows that a walk has come to its end.
  const postern = await PosternProcess.start({ markers: [...markers, 'd0.example/checks/spff'], relayPort: 9 });
  t.after(() => postern.close());
  const walks = (): number => postern.log.filter(({ msg }) => String(msg).includes('checks/spff does nothing')).length;
  const reloads = (): number => postern.log.filter(({ msg }) => msg === 'reloaded').length;
  await postern.until(() => walks() === 1);
  const reload = async (): Promise<void> => {
    const [walked, reloaded] = [walks(), reloads()];
    postern.signal('SIGHUP');
    await postern.until(() => walks() > walked && reloads() > reloaded);
  };
  let ofWorker: readonly string[] = [];
  const ofPrimary = await traced(
    postern.pid,
    calls,
    async () => {
      ofWorker = await traced(postern.worker, calls, reload, 'first');
    },
    'first',
  );
  assert.ok(ofWorker.length > 0 && ofPrimary.length > 0, 'nothing was traced');
  assert.deepEqual([...ofWorker, ...ofPrimary].filter(isWalk), []);
  const all = await traced(postern.pid, calls, reload);
  assert.ok(all.filter(isWalk).length >= domains, `another thread looked ${all.filter(isWalk).length} times`);
});
