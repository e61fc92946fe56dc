/**
 * A line of a domain's file of DNS lists, for dnsbl, rhsbl and uribl; no plugin itself:
 *
 *     zone                                   whoever it lists is rejected
 *     zone=127.0.0.2,127.0.0.4/30            … where an answer is one of these addresses or networks
 *     zone=127.0.[0..255].[1;4..6]           … or has these octets
 *     zone*2.5, zone=127.0.0.[2..11]*2.5     it gives points, and does not reject; below 0 it speaks for the mail
 */
import type { ListProblem } from '../../src/hooks/check.js';
import { parseDomain } from '../../src/mail/domain.js';
import { contains, type Ip, type Network, parseNetwork } from '../../src/mail/ip.js';
import { parsePoints } from '../../src/mail/verdict.js';

export interface Zone {
  readonly name: string;
  /** The answers that count; undefined: all of 127.0.0.0/8. */
  readonly codes: readonly ZoneCode[] | undefined;
  /** undefined: it rejects. */
  readonly points: number | undefined;
}

type ZoneCode = Network | OctetRanges;

/** For each of the four octets, what it may be. */
interface OctetRanges {
  readonly octets: readonly (readonly OctetRange[])[];
}

type OctetRange = readonly [first: number, last: number];

/** undefined where the line is none. */
export function readZone(line: string): Zone | undefined {
  const [, name = '', codes, weight] = /^([^\s=*]+)\s*(?:=([^=*]*))?(?:\*(.*))?$/.exec(line) ?? [];
  const zone = parseDomain(name.replace(/\.$/, ''));
  const points = weight === undefined ? undefined : parsePoints(weight.trim());
  const read = codes?.split(',').map((code) => codeOf(code.trim()));
  if (zone === undefined || read?.includes(undefined) === true) return undefined;
  if (weight !== undefined && points === undefined) return undefined;
  return { name: zone, codes: read?.filter((code) => code !== undefined), points };
}

function codeOf(text: string): ZoneCode | undefined {
  if (!text.includes('[')) return parseNetwork(text);
  const octets = fourOctets.exec(text)?.slice(1).map(rangesOf) ?? [];
  const known = octets.filter((ranges) => ranges !== undefined);
  return known.length === 4 ? { octets: known } : undefined;
}

const octet = String.raw`(\d{1,3}|\[[\d.;]+\])`;
const fourOctets = new RegExp(`^${[octet, octet, octet, octet].join(String.raw`\.`)}$`);

/** `7`, or `[1;4..6]`. */
function rangesOf(text: string): readonly OctetRange[] | undefined {
  const inside = /^\[([\d.;]+)\]$/.exec(text)?.[1];
  const ranges = (inside?.split(';') ?? [text]).map(rangeOf);
  const known = ranges.filter((range) => range !== undefined);
  return known.length === ranges.length ? known : undefined;
}

function rangeOf(text: string): OctetRange | undefined {
  const [, from = '', to = from] = /^(\d{1,3})(?:\.\.(\d{1,3}))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  return from !== '' && first <= last && last <= 255 ? [first, last] : undefined;
}

export function isCode(code: ZoneCode, answer: Ip): boolean {
  if ('base' in code) return contains(code, answer);
  const [word = 0] = answer.words;
  return (
    answer.family === 4 &&
    code.octets.every((ranges, i) => {
      const value = (word >>> (24 - 8 * i)) & 255;
      return ranges.some(([first, last]) => first <= value && value <= last);
    })
  );
}

/** What is wrong with a file's lines, where empty ones stand for comments. */
export function zoneProblems(lines: readonly string[]): readonly ListProblem[] {
  if (lines.every((line) => line === '')) return [{ problem: 'holds no zone' }];
  return lines.flatMap((line, i): readonly ListProblem[] => {
    if (line === '') return [];
    const zone = readZone(line);
    if (zone === undefined) return [{ line: i + 1, problem: mustBe }];
    return zone.points === undefined
      ? []
      : [{ line: i + 1, problem: 'gives points that do nothing without the file score', unless: 'score' }];
  });
}

const mustBe = 'must be a zone, such as bl.example.org, bl.example.org=127.0.0.2,127.0.0.4/30 or bl.example.org*2.5';
