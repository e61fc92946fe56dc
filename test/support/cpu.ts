/**
 * CPU time, which other programs on the machine do not add to: what tests may set bounds to, unlike the time of day.
 */
import { readFileSync, readdirSync } from 'node:fs';

/** Milliseconds that this process has used, all its threads together. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Milliseconds that the main thread of this process has used: what holds up its event loop. Linux, proc(5). */
export const mainThreadCpuMs = (): number => threadCpuMs('self', String(process.pid));

/** Milliseconds that a process and its children have used, all their threads together. Linux, proc(5). */
export function treeCpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const children = threads.flatMap((thread) => childrenOf(pid, thread));
  return [...threads.map((thread) => threadCpuMs(pid, thread)), ...children.map(treeCpuMs)].reduce((a, b) => a + b, 0);
}

const threadCpuMs = (pid: number | 'self', thread: string): number =>
  Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1e6;

const childrenOf = (pid: number, thread: string): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
