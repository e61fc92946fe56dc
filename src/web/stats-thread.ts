/** Runs in the thread that stats-cache.ts starts: counts once, and answers. */
import { parentPort, workerData } from 'node:worker_threads';
import { everything } from '../quarantine/look/query.js';
import { collectStats } from '../quarantine/look/stats.js';
import type { StatsTask } from './stats-cache.js';

const { root, domains } = workerData as StatsTask;
parentPort?.postMessage(
  await collectStats({ root, query: everything, ...(domains && { domains: new Set(domains) }) }),
  [],
);
