/** Numbers as Prometheus reads them: text format 0.0.4. */
import type { Snapshot } from './registry.js';

export const metricsType = 'text/plain; version=0.0.4; charset=utf-8';

/** Families without a series are left out. */
export const metricsText = (snapshot: Snapshot): string =>
  snapshot
    .filter(({ series }) => series.length > 0)
    .map(({ name, type, help, series }) => {
      const lines = series.map(([rest, value]) => `${name}${rest} ${numberText(value)}\n`);
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
    })
    .join('');

const numberText = (value: number): string =>
  Math.abs(value) === Infinity ? `${value < 0 ? '-' : '+'}Inf` : `${value}`;
