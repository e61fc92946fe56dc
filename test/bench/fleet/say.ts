/** What the bench prints: rows of two columns. */
import os from 'node:os';

export const say = (text: string): void => void process.stdout.write(`${text}\n`);

export const row = (what: string, text: string): void => say(`${what.padEnd(44)} ${text}`);

export const count = (number: number): string => Math.round(number).toLocaleString('en');

/** The last minute's. */
export const loadNow = (): string => (os.loadavg()[0] ?? 0).toFixed(1);
