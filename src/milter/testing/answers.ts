/** What a filter answers, from its frames: the inverse of `response`, for tests of filters. */
import type { MilterFrame } from '../command.js';
import { stringsOf } from '../codec.js';
import type { Answer, Edit, Skip } from '../policy.js';

/** A frame of a filter. Negotiation is none of them. */
export type FilterFrame =
  | { readonly kind: 'answer'; readonly answer: Answer | Skip }
  | { readonly kind: 'edit'; readonly edit: Edit }
  | { readonly kind: 'progress' };

const answers: Readonly<Record<string, Answer | Skip>> = {
  c: { kind: 'continue' },
  a: { kind: 'accept' },
  r: { kind: 'reject' },
  t: { kind: 'tempfail' },
  d: { kind: 'discard' },
  s: { kind: 'skip' },
};

/** Throws for what no MTA would take. */
export function readFilterFrame(frame: MilterFrame): FilterFrame {
  const code = String.fromCharCode(frame.code);
  const answer = answers[code];
  if (answer) return { kind: 'answer', answer };
  if (code === 'p') return { kind: 'progress' };
  const [text = '', ...more] = stringsOf(frame.octets, frame.start, frame.end) ?? [];
  if (code === 'y') return { kind: 'answer', answer: replyOf(text) };
  const edit = editOf(code, frame, [text, ...more]);
  if (!edit) throw new Error(`the filter sent a frame that no MTA knows: ${JSON.stringify(code)}`);
  return { kind: 'edit', edit };
}

/** As the client is told: the MTA halves each `%%`. */
function replyOf(text: string): Answer {
  const lines = text.replaceAll('%%', '%').split('\r\n');
  const [, code = '', enhanced = ''] = /^(\d{3})[- ]([245]\.\d{1,3}\.\d{1,3} )?/.exec(lines[0] ?? '') ?? [];
  const texts = lines.map((line) => line.slice(4 + enhanced.length));
  const [only = ''] = texts;
  return {
    kind: 'reply',
    code: Number(code),
    enhanced: enhanced.trimEnd(),
    text: texts.length === 1 ? only : texts,
  };
}

function editOf(code: string, { octets, start, end }: MilterFrame, strings: readonly string[]): Edit | undefined {
  const [first = '', second = ''] = strings;
  const parameters = second === '' ? {} : { parameters: second.split(' ') };
  switch (code) {
    case 'h':
      return { kind: 'add-header', name: first, value: second };
    case 'i':
      return { kind: 'insert-header', index: octets.readUInt32BE(start), ...field(octets, start + 4, end) };
    case 'm': {
      const { name, value } = field(octets, start + 4, end);
      const index = Math.max(1, octets.readUInt32BE(start));
      return value === '' ? { kind: 'delete-header', name, index } : { kind: 'change-header', name, index, value };
    }
    case 'e':
      return { kind: 'change-sender', sender: first, ...parameters };
    case '+':
    case '2':
      return { kind: 'add-recipient', recipient: first, ...parameters };
    case '-':
      return { kind: 'delete-recipient', recipient: first };
    case 'b':
      return { kind: 'replace-body', body: Buffer.from(octets.subarray(start, end)) };
    case 'q':
      return { kind: 'quarantine', reason: first };
    default:
      return undefined;
  }
}

function field(octets: Buffer, start: number, end: number): { readonly name: string; readonly value: string } {
  const [name = '', value = ''] = stringsOf(octets, start, end) ?? [];
  return { name, value };
}
