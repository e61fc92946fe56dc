/** A mail as a plugin sees it, made of what a test cares about. */
import type { Content } from '../../src/mail/content.js';
import { parseHeader } from '../../src/mail/header.js';
import { parseIp } from '../../src/mail/ip.js';
import { reject, type Rejection, type Verdict } from '../../src/mail/verdict.js';
import { Embedded } from '../../src/store/embedded.js';
import { BackedStore, type Store } from '../../src/store/store.js';
import { parseAddress } from '../../src/mail/address.js';
import { type HeardVerdict, HookTable } from '../../src/hooks/table.js';
import { runHook } from '../../src/hooks/run.js';
import type { ClientName, DataContext, Markers, Plugin, RcptContext } from '../../src/hooks/plugin.js';

/** A store of the test's own, forgotten with it. */
const memory = (): Store => new BackedStore(new Embedded({ file: undefined }));

export interface Given {
  /** Header fields without line ends; octets as latin1. */
  readonly header?: readonly string[];
  readonly helo?: string;
  readonly from?: string;
  readonly to?: readonly string[];
  readonly ip?: string;
  readonly client?: ClientName;
  /** Names below checks/. */
  readonly checks?: readonly string[];
  readonly markers?: Partial<Markers>;
  readonly rejected?: boolean;
  readonly pardoned?: string;
  readonly unknownCommands?: number;
  readonly content?: Content;
}

export function mail(given: Given): DataContext {
  const ip = parseIp(given.ip ?? '192.0.2.1');
  if (!ip) throw new Error(`${given.ip} is no address`);
  const reversePath = given.from ?? 'sender@sender.example';
  return {
    session: {
      id: 'SESSION',
      clientIp: ip,
      clientName: () => Promise.resolve(given.client ?? { kind: 'none' }),
      knownClientName: given.client ?? { kind: 'none' },
      helo: given.helo ?? 'client.example',
      secure: false,
      unknownCommands: given.unknownCommands ?? 0,
    },
    markers: {
      checkMode: (_domain, check, inAll) =>
        given.checks?.some((name) => name === check || (inAll && name === 'all')) ? 'on' : 'off',
      lines: () => undefined,
      recipient: () => ({ kind: 'valid', marker: 'users/valid/x' }),
      listed: () => undefined,
      anyListed: () => false,
      addressListed: () => undefined,
      recipientWhitelisted: () => undefined,
      ...given.markers,
    },
    dns: { lookup: () => Promise.resolve({ kind: 'void' }) } as unknown as DataContext['dns'],
    store: memory(),
    host: { hostname: 'mx.test.example', authservId: 'mx.test.example', spfForwarders: [], storeDown: 'pass' },
    id: 'TRANSACTION',
    reversePath,
    senderDomain: parseAddress(reversePath)?.domain ?? '',
    domain: 'example.com',
    recipients: (given.to ?? ['alice@example.com']).map(recipient),
    header: parseHeader(Buffer.from((given.header ?? []).map((field) => `${field}\r\n`).join(''), 'latin1')),
    isHosted: (domain) => domain === 'example.com',
    message: { size: 0, parts: () => [] },
    rejection: given.rejected ? (reject('before') as Rejection) : undefined,
    pardoned: given.pardoned,
    addField: () => {},
    addArchivedField: () => {},
    content: () => Promise.resolve(given.content ?? { kind: 'read', text: 'Hello.', html: '', attachments: [] }),
    authenticated: () => ({}),
    recordAuthentication: () => {},
  };
}

function recipient(text: string): RcptContext['recipient'] {
  const address = parseAddress(text);
  if (!address) throw new Error(`${text} is no address`);
  return address;
}

export const rcpt = (given: Given): RcptContext => ({
  ...mail(given),
  recipient: recipient(given.to?.[0] ?? 'alice@example.com'),
  askAhead: () => Promise.resolve({ kind: 'unknown', problem: 'no MTA here' }),
});

/** What the plugin says of the mail, its checks all switched on: its kind, and the public reason where there is one. */
export const said = async (plugin: Plugin, given: Given): Promise<string> =>
  textOf(await verdictOf(plugin, mail({ checks: ['all', plugin.name], ...given })));

/** What the runner makes of the plugin's answer at the end of the mail. */
export async function verdictOf(plugin: Plugin, context: DataContext): Promise<Verdict | undefined> {
  const heard: HeardVerdict[] = [];
  await runHook({
    hook: 'dataPost',
    plugins: new HookTable([plugin], (one) => heard.push(one)),
    context,
    log: () => ({ debug: () => {}, info: () => {}, error: () => {} }),
    debug: false,
    timeoutMs: 10_000,
    note: () => {},
  });
  const answer = heard[0]?.said;
  if (answer instanceof Error) throw answer;
  return answer;
}

export function textOf(verdict: Verdict | undefined): string {
  if (verdict === undefined) return 'nothing';
  if (verdict.kind === 'reject') return `reject ${verdict.enhanced} ${verdict.reason}`;
  if (verdict.kind === 'defer' || verdict.kind === 'refuse')
    return `${verdict.kind} ${verdict.reply.code} ${verdict.reply.enhanced}`;
  return verdict.kind === 'pardon' ? `pardon ${verdict.lifts} ${verdict.log}` : verdict.kind;
}
