/**
 * The survey of /srv in a thread of its own, for it walks through every domain: what is found goes to the log, whenever
 * that is. The file is the thread's program as well.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { Logger } from '../../log.js';
import type { Settings } from '../../settings/settings.js';
import { srvOf } from '../wire.js';
import { type SurveyedPlugin, surveyEach } from './survey.js';

interface SurveyOrder {
  readonly survey: Settings;
  readonly plugins: readonly SurveyedPlugin[];
}

interface Warning {
  readonly domain: string;
  readonly check?: string;
  readonly text: string;
}

/** Destinations that domains have of their own, each once. */
interface DestinationsThere {
  readonly destinations: readonly string[];
}

interface SurveyListener {
  readonly log: Logger;
  /** Called once, at the end. */
  heard(destinations: readonly string[]): void;
}

/** Begins it; returns what ends it. */
export function surveyAside(
  settings: Settings,
  plugins: readonly SurveyedPlugin[],
  { log, heard }: SurveyListener,
): () => void {
  const order: SurveyOrder = { survey: settings, plugins };
  const thread = new Worker(new URL(import.meta.url), { workerData: order });
  thread.on('message', (said: Warning | DestinationsThere) => {
    if ('destinations' in said) return heard(said.destinations);
    const { text, ...where } = said;
    return log.warn(where, text);
  });
  thread.on('error', (error) => log.error({ problem: String(error) }, '/srv cannot be read'));
  thread.unref();
  return () => void thread.terminate();
}

function lookAround(
  { survey: settings, plugins }: SurveyOrder,
  tell: (said: Warning | DestinationsThere) => void,
): void {
  const destinations = new Set<string>();
  for (const { domain, idle, broken, relay } of surveyEach(srvOf(settings), plugins)) {
    for (const { check, text } of idle) tell({ domain, check, text });
    for (const text of broken) tell({ domain, text });
    for (const { text } of relay) destinations.add(text);
  }
  tell({ destinations: [...destinations] });
}

const order = workerData as Partial<SurveyOrder> | null;
if (!isMainThread && order?.survey !== undefined)
  lookAround(order as SurveyOrder, (said) => parentPort?.postMessage(said, []));
