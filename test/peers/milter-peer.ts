/** Postfix and Sendmail behind one face, each with `postern milter` attached and a name server of their own. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MilterChild } from '../cli/support/milter-child.js';
import type { FakeServer } from '../dns/support/fake-server.js';
import { freePort } from '../support/free-port.js';
import { Postfix } from '../support/postfix.js';
import { type Account, Sendmail } from '../support/sendmail.js';
import { until } from '../support/until.js';
import { zoneServer, type ServedZone } from '../support/zone-server.js';

export const hostname = 'mx.fixture.test';

/** Clients come from 127.0.0.0/8, of which 127.1.2.0/24 may send; 127.9.9.9 is trusted. */
export const zone: ServedZone = {
  'pass.test': { TXT: ['v=spf1 ip4:127.1.2.0/24 ip6:2001:db8::/32 -all'] },
  'fail.test': { TXT: ['v=spf1 -all'] },
  'softfail.test': { TXT: ['v=spf1 ~all'] },
  'neutral.test': { TXT: ['v=spf1 ?all'] },
  'none.test': { TXT: ['no such thing'] },
  'permerror.test': { TXT: ['v=spf1 foo:bar -all'] },
  'temperror.test': 'servfail',
  'exp.test': { TXT: ['v=spf1 exp=why.exp.test -all'] },
  'why.exp.test': { TXT: ["%{i} is not one of %{d}'s 100%% good hosts"] },
  'helo.fail.test': { TXT: ['v=spf1 -all'] },
  'mail.host.test': { TXT: ['v=spf1 a -all'], A: ['127.1.2.3'] },
};

export interface MilterPeer {
  readonly port: number;
  readonly milter: MilterChild;
  /** Mails that were delivered, octets as latin1, lines ending in LF. */
  delivered(): readonly string[];
  /** Writes the configuration anew and has it read. */
  reload(config: string): Promise<void>;
  close(): Promise<void>;
}

/** What holds where a test says nothing else. */
const usual = `
hostname = ${hostname}
header = Received-SPF, Authentication-Results
trusted_networks = 127.9.9.9
log_destination = stderr
log_level = debug
`;

interface Attached {
  readonly folder: string;
  readonly dns: FakeServer;
  readonly milter: MilterChild;
  configure(config: string): void;
}

async function attach(socket: string, folder: string, config: string): Promise<Attached> {
  const dns = await zoneServer(zone);
  const file = join(folder, 'spf-milter.conf');
  const configure = (text: string): void => {
    const given = new Set(text.split('\n').map((line) => line.split(' =')[0]));
    const rest = usual.split('\n').filter((line) => !given.has(line.split(' =')[0]));
    writeFileSync(file, [`socket = ${socket}`, `dns_servers = ${dns.address}`, ...rest, text, ''].join('\n'));
  };
  configure(config);
  const milter = new MilterChild(['-c', file]);
  await milter.line(/ starting /);
  return { folder, dns, milter, configure };
}

function folderForAll(): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-milter-peer-'));
  chmodSync(folder, 0o755);
  return folder;
}

async function detach({ milter, dns, folder }: Attached): Promise<void> {
  await milter.stop();
  await dns.close();
  rmSync(folder, { recursive: true, force: true });
}

async function reload({ milter, configure }: Attached, config: string): Promise<void> {
  const reloads = (): number => milter.stderr.match(/configuration reloaded/g)?.length ?? 0;
  const before = reloads();
  configure(config);
  milter.kill('SIGHUP');
  await until(() => reloads() > before, 'the configuration is reloaded');
}

/** Over a UNIX socket; `behind` is a further filter, that sees what ours has made of a mail. */
export async function postfixWithMilter(
  config = '',
  settings: readonly string[] = [],
  behind?: string,
): Promise<MilterPeer> {
  const folder = folderForAll();
  const attached = await attach(`unix:${folder}/socket`, folder, `socket_mode = 0666\nstop_timeout = 2s\n${config}`);
  const postfix = await Postfix.start({
    domains: ['rcpt.test'],
    settings: [
      `myhostname = ${hostname}`,
      `smtpd_milters = ${[`unix:${folder}/socket`, ...(behind === undefined ? [] : [behind])].join(', ')}`,
      'smtpd_milter_maps =',
      ...settings,
    ],
  });
  return {
    port: postfix.port,
    milter: attached.milter,
    delivered: () => postfix.delivered.map(({ text }) => text),
    reload: (text) => reload(attached, `socket_mode = 0666\nstop_timeout = 2s\n${text}`),
    close: async () => {
      await postfix.close();
      await detach(attached);
    },
  };
}

/** Over TCP. */
export async function sendmailWithMilter(config = '', account?: Account): Promise<MilterPeer> {
  const folder = folderForAll();
  const port = await freePort();
  const attached = await attach(`inet:127.0.0.1:${port}`, folder, `stop_timeout = 2s\n${config}`);
  const sendmail = await Sendmail.start({
    hostname,
    filter: `S=inet:${port}@127.0.0.1, F=T, T=C:10s;S:10s;R:20s;E:1m`,
    ...(account && { account }),
  });
  return {
    port: sendmail.port,
    milter: attached.milter,
    delivered: () => sendmail.delivered,
    reload: (text) => reload(attached, `stop_timeout = 2s\n${text}`),
    close: async () => {
      await sendmail.close();
      await detach(attached);
    },
  };
}
