import type { RecordType } from './resolver.js';

/**
 * What there is for a type of records. A switch, for to read a property whose name varies takes longer than to look up
 * the name in a Map.
 */
export function ofType<V>(all: Readonly<Record<RecordType, V>>, type: RecordType): V {
  switch (type) {
    case 'A':
      return all.A;
    case 'AAAA':
      return all.AAAA;
    case 'MX':
      return all.MX;
    case 'TXT':
      return all.TXT;
    case 'PTR':
      return all.PTR;
    case 'NS':
      return all.NS;
    case 'SRV':
      return all.SRV;
    case 'CAA':
      return all.CAA;
    case 'TLSA':
      return all.TLSA;
  }
}
