/** A name server on loopback that answers for one zone: to be asked by postern, and by other programs beside it. */
import { fakeServer, type FakeServer, reply } from '../dns/support/fake-server.js';
import { a, aaaa, cname, mx, ptr, type RecordParts, soa, T, txt } from '../dns/support/wire.js';

/** What is known of one name; 'servfail' and 'silent' hold for all questions about it. */
export type ServedName =
  | {
      readonly A?: readonly string[];
      /** 32 hexadecimal digits each. */
      readonly AAAA?: readonly string[];
      readonly MX?: readonly (readonly [preference: number, host: string])[];
      /** One string, or several character-strings. */
      readonly TXT?: readonly (string | readonly string[])[];
      readonly PTR?: readonly string[];
      readonly CNAME?: string;
    }
  | 'servfail'
  | 'silent';

export type ServedZone = Readonly<Record<string, ServedName>>;

/** Names that are not in the zone do not exist; those above one that is have no data. */
export function zoneServer(zone: ServedZone, at: { host?: string; port?: number } = {}): Promise<FakeServer> {
  const names = new Map(Object.entries(zone).map(([name, known]) => [name.toLowerCase(), known]));
  return fakeServer((asked) => {
    const name = asked.name.toLowerCase();
    const known = names.get(name);
    const authority = [soa(60)];
    if (known === 'silent') return [];
    if (known === 'servfail') return [reply(asked, { rcode: 2 })];
    if (!known) return [reply(asked, { rcode: isAbove(name) ? 0 : 3, authority })];
    const answers = recordsOf(known, asked.type);
    return [reply(asked, answers.length > 0 ? { answers } : { authority })];
  }, at);

  function isAbove(name: string): boolean {
    return [...names.keys()].some((known) => known.endsWith(`.${name}`));
  }
}

function recordsOf(known: Exclude<ServedName, string>, type: number): RecordParts[] {
  if (known.CNAME !== undefined) return [cname(known.CNAME)];
  switch (type) {
    case T.A:
      return (known.A ?? []).map((text) => a(...text.split('.').map(Number)));
    case T.AAAA:
      return (known.AAAA ?? []).map(aaaa);
    case T.MX:
      return (known.MX ?? []).map(([preference, host]) => mx(preference, host));
    case T.TXT:
      return (known.TXT ?? []).map((text) => (typeof text === 'string' ? txt(...pieces(text)) : txt(...text)));
    case T.PTR:
      return (known.PTR ?? []).map(ptr);
    default:
      return [];
  }
}

const pieces = (text: string): string[] => text.match(/[^]{1,255}/g) ?? [''];
