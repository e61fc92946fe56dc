/** An installation for `postern doctor` to look at: folders, a name server, and an MTA that says what a test wants. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ServedZone, zoneServer } from '../../support/zone-server.js';
import { postern, posternProcess } from '../support/postern-command.js';

export interface Finding {
  readonly severity: 'good' | 'note' | 'warning' | 'error';
  readonly area: string;
  readonly text: string;
  readonly remedy?: string;
}

export interface Examination {
  readonly code: number | null;
  readonly findings: readonly Finding[];
  readonly summary: Readonly<Record<string, unknown>>;
}

export interface Installation {
  readonly root: string;
  /** Settings as flags; further ones go before them. */
  doctor(...words: readonly string[]): Promise<Examination>;
  readonly settings: readonly string[];
}

export interface InstallationOptions {
  readonly zone?: ServedZone;
  /** Below /srv; `path=text` gives one content. */
  readonly markers?: readonly string[];
  /** The port of the MTA behind; nobody answers where none is given. */
  readonly relayPort?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** In the zone, by itself, there is nothing wrong with `mx.test.example` and `example.com`. */
export const goodZone: ServedZone = {
  'mx.test.example': { A: ['127.0.0.99'] },
  '99.0.0.127.in-addr.arpa': { PTR: ['mx.test.example'] },
  'example.com': { MX: [[10, 'mx.test.example']], TXT: ['v=spf1 mx -all'] },
  '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject; rua=mailto:dmarc@example.com'] },
  'other._domainkey.example.com': { TXT: ['v=DKIM1; p='] },
};

export async function installation(t: TestContext, options: InstallationOptions = {}): Promise<Installation> {
  const root = mkdtempSync(join(tmpdir(), 'postern-doctor-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const folder of ['srv', 'spam', 'state']) mkdirSync(join(root, folder));
  for (const marker of options.markers ?? ['example.com/users/valid/alice']) {
    const [path = '', ...text] = marker.split('=');
    mkdirSync(dirname(join(root, 'srv', path)), { recursive: true });
    writeFileSync(join(root, 'srv', path), text.join('='));
  }
  const server = await zoneServer(options.zone ?? goodZone);
  t.after(() => server.close());
  writeFileSync(join(root, 'conf'), '');
  const settings = [
    `--config=${root}/conf`,
    `--srv=${root}/srv`,
    `--spam=${root}/spam`,
    `--state=${root}/state`,
    '--hostname=mx.test.example',
    `--dns_servers=${server.address}`,
    `--relay=127.0.0.1:${options.relayPort ?? 1}`,
  ];
  const doctor = async (...words: readonly string[]): Promise<Examination> => {
    const isOwn = (setting: string): boolean => words.some((word) => word.split('=')[0] === setting.split('=')[0]);
    const argv = ['doctor', '--json', ...words, ...settings.filter((setting) => !isOwn(setting))];
    const { code, stdout, stderr } = await (options.env ? posternProcess(argv, { env: options.env }) : postern(argv));
    if (stdout === '') throw new Error(stderr);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Finding & Record<string, unknown>);
    return { code, findings: lines.slice(0, -1), summary: lines.at(-1) ?? {} };
  };
  return { root, settings, doctor };
}

/** The lines of an area, as `severity: text`. */
export const linesOf = ({ findings }: Examination, area: string): readonly string[] =>
  findings.filter((one) => one.area === area).map(({ severity, text }) => `${severity}: ${text}`);

/** An MTA that greets, and answers each line as it is told; nothing is said where that is undefined. */
export async function scriptedMta(
  t: TestContext,
  greeting: string | undefined,
  answer: (line: string) => string | undefined,
): Promise<{ readonly port: number; readonly heard: readonly string[] }> {
  const heard: string[] = [];
  const server = net.createServer((socket) => {
    let rest = '';
    socket.on('error', () => undefined);
    if (greeting !== undefined) socket.write(greeting, 'latin1');
    socket.on('data', (octets) => {
      const lines = (rest + octets.toString('latin1')).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        heard.push(line);
        const said = answer(line);
        if (said !== undefined) socket.write(said, 'latin1');
      }
    });
    t.after(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const at = server.address();
  return { port: typeof at === 'object' && at ? at.port : 0, heard };
}
