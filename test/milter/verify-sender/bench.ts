/**
 * The SPF policy behind a real socket, its configuration as text, a zone in place of the DNS; what it logged and
 * counted.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadMilterConfig, type MilterConfig } from '../../../src/cli/milter/verify-sender/config.js';
import type { DirectoryAnswer } from '../../../src/directory/directory.js';
import type { Resolver } from '../../../src/dns/resolver.js';
import { zoneResolver } from '../../../src/dns/zone.js';
import { type MilterProblem, MilterServer } from '../../../src/milter/server.js';
import type { MailState } from '../../../src/milter/verify-sender/mail-state.js';
import { verifySender } from '../../../src/milter/verify-sender/verify-sender.js';
import type { HeloMemory } from '../../../src/milter/verify-sender/judge.js';
import type { Observation, VerifyTools } from '../../../src/milter/verify-sender/tools.js';

const txt = (text: string) => ({ TXT: [text] });

export const zone = zoneResolver({
  'pass.test': txt('v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all'),
  'fail.test': txt('v=spf1 -all'),
  'softfail.test': txt('v=spf1 ~all'),
  'neutral.test': txt('v=spf1 ?all'),
  'none.test': txt('other'),
  'permerror.test': txt('v=spf1 foo:bar -all'),
  'temperror.test': { timeout: true },
  'exp.test': txt('v=spf1 exp=why.exp.test -all'),
  'why.exp.test': txt("%{i} is not one of %{d}'s 100%% good hosts"),
  'percent.test': txt('v=spf1 exp=why.percent.test -all'),
  'why.percent.test': txt('%%s%%n %%%% %{L} 250-ok'),
  'crlf.test': txt('v=spf1 exp=why.crlf.test -all'),
  'why.crlf.test': txt('no\r\n250 ok'),
  'escape.test': txt('v=spf1 exp=why.escape.test -all'),
  'why.escape.test': txt('\u001b[31mred'),
  'eight.test': txt('v=spf1 exp=why.eight.test -all'),
  'why.eight.test': txt('gr\u00fc\u00dfe'),
  'sender.test': txt('v=spf1 exp=why.sender.test -all'),
  'why.sender.test': txt('you are %{s}'),
  'long.test': txt('v=spf1 exp=why.long.test -all'),
  'why.long.test': { TXT: [['x'.repeat(255), 'y'.repeat(255), 'z'.repeat(255)]] },
  'mail.host.test': { TXT: ['v=spf1 a -all'], A: ['192.0.2.10'] },
  '10.2.0.192.in-addr.arpa': { PTR: ['mail.host.test'] },
  'helo.fail.test': txt('v=spf1 -all'),
  'helo.soft.test': txt('v=spf1 ~all'),
  'helo.temp.test': { timeout: true },
});

export interface Bench {
  readonly path: string;
  readonly server: MilterServer<HeloMemory, MailState>;
  /** `info: text`, in order. */
  readonly lines: string[];
  readonly seen: Observation[];
  readonly problems: MilterProblem[];
  /** Sessions to come have this configuration. */
  configure(text: string): void;
  close(): Promise<void>;
}

/** What `own_domains_ldap = own.ldap` reads. */
const ownLdap = 'uri = ldap://127.0.0.1:9\nbase = dc=test\nfilter = (dc=%d)\n';

export function configOf(text: string): MilterConfig {
  const readFile = (path: string): string => (path === 'own.ldap' ? ownLdap : `socket = unix:/unused\n${text}`);
  const loaded = loadMilterConfig({ file: 'test.conf', options: [], readFile });
  if (!loaded.ok) throw new Error(loaded.problem.join('\n'));
  return loaded.value.config;
}

export interface BenchOptions {
  readonly resolver?: Resolver;
  readonly clientName?: string;
  readonly trace?: boolean;
  /** Own domains; a string says how the directory fails. */
  readonly directory?: readonly string[] | string;
}

async function has(own: readonly string[] | string, domain: string): Promise<DirectoryAnswer> {
  if (typeof own === 'string') return { kind: 'failed', problem: own };
  return { kind: own.includes(domain) ? 'found' : 'absent' };
}

export async function openBench(text: string, options: BenchOptions = {}): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-milter-'));
  const path = join(folder, 'socket');
  const lines: string[] = [];
  const seen: Observation[] = [];
  const problems: MilterProblem[] = [];
  const line = (level: string) => (_: object, words: string) => void lines.push(`${level}: ${words}`);
  const tools: VerifyTools = {
    resolver: options.resolver ?? zone,
    clientName: () => Promise.resolve(options.clientName),
    directory: options.directory === undefined ? undefined : { has: ({ d = '' }) => has(options.directory ?? [], d) },
    log: { debug: line('debug'), info: line('info'), warn: line('warn') },
    observe: (event) => void seen.push(event),
    now: Date.now,
    trace: options.trace ?? false,
  };
  const server = new MilterServer(verifySender(configOf(text), tools), {
    onProblem: (problem) => void problems.push(problem),
  });
  await server.listen({ kind: 'unix', path });
  return {
    path,
    server,
    lines,
    seen,
    problems,
    configure: (next) => server.setPolicy(verifySender(configOf(next), tools)),
    close: async () => {
      await server.stop(0);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
