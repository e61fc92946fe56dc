/**
 * A mail, or a recipient, as a plugin sees it: made of what a test cares about, for tests of plugins. Nothing is sent
 * or kept; DNS is a zone of the test's own.
 */
import { zoneResolver } from '../dns/zone.js';
import { parseAddress } from '../mail/address.js';
import type { Content } from '../mail/content/content.js';
import { parseHeader } from '../mail/header.js';
import { parseIp } from '../mail/ip.js';
import { reject, type Rejection, type Verdict } from '../mail/verdict.js';
import { Embedded } from '../store/embedded.js';
import { BackedStore } from '../store/store.js';
import type {
  ClientName,
  DataContext,
  EarlyTalk,
  GivenPoints,
  Markers,
  Plugin,
  RcptContext,
  SessionFacts,
} from './plugin.js';
import { runHook } from './run.js';
import { type HeardVerdict, HookTable } from './table.js';

/** What is not given is that of a good mail from 192.0.2.1 to alice@example.com, which is hosted. */
export interface TestMail {
  /** Header fields without line ends; octets as latin1. */
  readonly header?: readonly string[];
  /** Behind the header section; octets as latin1. */
  readonly body?: string;
  readonly helo?: string;
  /** The reverse-path without brackets; '' is the null reverse-path. */
  readonly from?: string;
  readonly to?: readonly string[];
  readonly ip?: string;
  /** The client's reverse name. */
  readonly client?: ClientName;
  /** Zone data: `{ 'example.org': { TXT: ['v=spf1 -all'] } }`. */
  readonly zone?: unknown;
  /** Names below checks/. */
  readonly checks?: readonly string[];
  readonly markers?: Partial<Markers>;
  readonly rejected?: boolean;
  readonly pardoned?: string;
  readonly points?: readonly GivenPoints[];
  readonly unknownCommands?: number;
  /** What the client has said before it was its turn. */
  readonly early?: EarlyTalk;
  /** What else a plugin sees of the session: `{ tls: { protocol: 'TLSv1.3', cipher: 'x' } }`. */
  readonly session?: Partial<SessionFacts>;
  /** Recipients that were taken before the one that `testRecipient` is about; nobody where it is not given. */
  readonly taken?: readonly string[];
  readonly content?: Content;
  /** What plugins before it have said. */
  readonly found?: DataContext['found'];
}

/** What a plugin sees at `dataPost`. Throws where an address is none. */
export function testMail(given: TestMail = {}): DataContext {
  const head = Buffer.from((given.header ?? []).map((field) => `${field}\r\n`).join(''), 'latin1');
  const octets = Buffer.concat([head, Buffer.from(`\r\n${given.body ?? ''}`, 'latin1')]);
  const ip = parseIp(given.ip ?? '192.0.2.1');
  if (!ip) throw new Error(`${given.ip} is no address`);
  const reversePath = given.from ?? 'sender@sender.example';
  const checkMode = (check: string, inAll: boolean): 'on' | 'off' =>
    given.checks?.some((name) => name === check || (inAll && name === 'all')) ? 'on' : 'off';
  return {
    session: {
      id: 'SESSION',
      clientIp: ip,
      clientName: () => Promise.resolve(given.client ?? { kind: 'none' }),
      knownClientName: given.client ?? { kind: 'none' },
      helo: given.helo ?? 'client.example',
      secure: false,
      tls: undefined,
      localAddress: undefined,
      early: given.early,
      unknownCommands: given.unknownCommands ?? 0,
      notes: new Map(),
      ...given.session,
    },
    markers: {
      checkMode: (_domain, check, inAll) => checkMode(check, inAll),
      checkModes: () => checkMode,
      lines: () => undefined,
      recipient: () => ({ kind: 'valid', marker: 'users/valid/x' }),
      listed: () => undefined,
      anyListed: () => false,
      addressListed: () => undefined,
      recipientWhitelisted: () => undefined,
      ...given.markers,
    },
    dns: zoneResolver(given.zone ?? {}),
    store: new BackedStore(new Embedded({ file: undefined })),
    host: {
      hostname: 'mx.test.example',
      authservId: 'mx.test.example',
      spfForwarders: [],
      spfVoids: 2,
      storeDown: 'pass',
      maxSize: 50_000_000,
    },
    log: noLog,
    found: given.found ?? [],
    id: 'TRANSACTION',
    reversePath,
    senderDomain: parseAddress(reversePath)?.domain ?? '',
    parameters: [],
    notes: new Map(),
    domain: 'example.com',
    recipients: (given.to ?? ['alice@example.com']).map(recipient),
    header: parseHeader(head),
    isHosted: (domain) => domain === 'example.com',
    message: { size: octets.length, parts: () => [octets] },
    rejection: given.rejected ? (reject('before') as Rejection) : undefined,
    pardoned: given.pardoned,
    points: given.points ?? [],
    addField: () => {},
    addArchivedField: () => {},
    editHeader: () => undefined,
    relayed: () => ({
      fields: (given.header ?? []).map((field) => {
        const colon = field.indexOf(':');
        return { name: field.slice(0, colon), text: field.slice(colon + 1).replaceAll('\r\n', '\n') };
      }),
      body: { size: octets.length - head.length - 2, parts: () => [octets.subarray(head.length + 2)] },
      recipients: given.to ?? ['alice@example.com'],
      reversePath,
    }),
    content: () => Promise.resolve(given.content ?? { kind: 'read', text: 'Hello.', html: '', attachments: [] }),
    authenticated: () => ({}),
    recordAuthentication: () => {},
    recordGreylisting: () => {},
  };
}

const noLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function recipient(text: string): RcptContext['recipient'] {
  const address = parseAddress(text);
  if (!address) throw new Error(`${text} is no address`);
  return address;
}

/** What a plugin sees at `rcpt`, of the first recipient. */
export const testRecipient = (given: TestMail = {}): RcptContext => ({
  ...testMail(given),
  recipients: (given.taken ?? []).map(recipient),
  recipient: recipient(given.to?.[0] ?? 'alice@example.com'),
  recipientParameters: [],
  askAhead: () => Promise.resolve({ kind: 'unknown', problem: 'no MTA here' }),
});

/**
 * What the runner makes of the plugin's answer at `dataPost`: undefined where it was not asked. Throws what the plugin
 * throws.
 */
export async function verdictOf(plugin: Plugin, context: DataContext): Promise<Verdict | undefined> {
  const heard: HeardVerdict[] = [];
  await runHook({
    hook: 'dataPost',
    plugins: new HookTable([plugin], { hear: (one) => heard.push(one) }),
    id: 'TEST',
    context,
    log: () => noLog,
    debug: false,
    timeoutMs: 10_000,
    note: () => {},
  });
  const answer = heard[0]?.said;
  if (answer instanceof Error) throw answer;
  return answer;
}
