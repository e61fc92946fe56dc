/**
 * A lock between processes: a symbolic link that only one of them can create, and whose target names the holder (our
 * choice: unlike a file it gets its contents with its name, and needs no block of a full disk). One left behind by a
 * killed process is taken over when nobody has touched it for a minute. Leaves what it guards to its holder.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from './durable.js';

/** Milliseconds without a touch after which the holder counts as dead. */
const abandonedAfter = 60_000;

export interface Lock {
  /** Tells the others that the holder is alive; false when the lock is someone else's by now. */
  touch(): boolean;
  release(): void;
}

/** The lock, or undefined when another has held it for `patience` milliseconds. Broken IO and a full disk throw. */
export async function takeLock(path: string, patience: number): Promise<Lock | undefined> {
  const token = randomUUID();
  const end = performance.now() + patience;
  for (;;) {
    if (create(path, token) || (isAbandoned(path) && (await takeOver(path, token)))) return lockOf(path, token);
    if (performance.now() >= end) return undefined;
    await delay(20);
  }
}

/** Milliseconds between two signs of life of who works for long. */
const touchEvery = 15_000;

/**
 * Does the work while it holds the lock, however long that takes; undefined, and nothing done, when another holds it.
 */
export async function underLock<T>(path: string, work: () => Promise<T>): Promise<T | undefined> {
  const lock = await takeLock(path, 0);
  if (!lock) return undefined;
  const alive = setInterval(() => lock.touch(), touchEvery);
  try {
    return await work();
  } finally {
    clearInterval(alive);
    lock.release();
  }
}

function create(path: string, token: string): boolean {
  try {
    fs.symlinkSync(token, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function isAbandoned(path: string): boolean {
  const stat = fs.lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Math.abs(Date.now() - stat.mtimeMs) > abandonedAfter;
}

/**
 * Several may find the lock abandoned at the same moment. Each moves its own link over it; the last one's stays, and
 * after a moment that is longer than anyone's way from looking to moving, only its owner finds its own token there.
 */
async function takeOver(path: string, token: string): Promise<boolean> {
  const mine = `${path}.${token}`;
  fs.symlinkSync(token, mine);
  fs.renameSync(mine, path);
  await delay(200);
  return holds(path, token);
}

function holds(path: string, token: string): boolean {
  try {
    return fs.readlinkSync(path) === token;
  } catch {
    return false;
  }
}

function lockOf(path: string, token: string): Lock {
  return {
    touch() {
      if (!holds(path, token)) return false;
      const now = new Date();
      fs.lutimesSync(path, now, now);
      return true;
    },
    release() {
      if (holds(path, token)) fs.rmSync(path, { force: true });
    },
  };
}
