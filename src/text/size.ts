/** A number of octets, as people read it. */

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Writes `1.2 MB`: in powers of 1,000, with a decimal below ten. */
export function sizeText(octets: number): string {
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, octets)) / 3)));
  const value = octets / 1000 ** power;
  return `${power === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}
