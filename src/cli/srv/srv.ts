/** `postern srv`: makes markers under the names that count, finds those that never count, and says which decide. */
import { loadPlugins } from '../../hooks/load.js';
import type { Plugin } from '../../hooks/plugin.js';
import { createLogger } from '../../log.js';
import { parseAddress } from '../../mail/address.js';
import { parseDomain } from '../../mail/domain.js';
import { parseIp } from '../../mail/ip.js';
import { nearest } from '../../settings/nearest.js';
import type { Settings } from '../../settings/settings.js';
import { BrokenMarker } from '../../srv/srv.js';
import { exit } from '../exit-codes.js';
import { changeExpiry } from '../../srv/expiry.js';
import { OutsideTree } from '../../srv/inside-tree.js';
import { MarkerWriter } from '../../srv/markers.js';
import { type CommandLine, load } from '../load.js';
import { type OptionTable, readWords, type Words } from '../options.js';
import { render, shown, type Terminal, terminalOf } from '../terminal.js';
import { checkMarkers, domainMarkers, listMarkers, make, type MarkerPaths, quoted } from './change.js';
import { explain } from './explain.js';
import { knownChecks, srvLint } from './lint.js';
import { foldersOf, listOf, srvOf, wireToTry } from '../wire.js';
import { failed, say } from '../complain.js';
import { fileRecord } from '../../audit/file-records.js';
import { recordCommand } from '../record.js';

const help = `usage: postern srv add-domain DOMAIN [USER ... | --all-users]
       postern srv allow DOMAIN WHAT ... [--recipient]
       postern srv block DOMAIN WHAT ... [--recipient | --host | --tld]
       postern srv enable DOMAIN CHECK ... [--log]
       postern srv expire DOMAIN [DURATION] [--size=SIZE]
       postern srv lint [--json]
       postern srv explain ADDRESS [--from=ADDRESS] [--ip=IP]

the first five make files, and print the commands that would have made them; to undo, remove the file
  add-domain   the domain is hosted; --all-users: every recipient is valid
  allow        WHAT is never rejected: an address or network of clients, a sender, or a domain of senders;
               --recipient: WHAT is a user, mail to whom is never rejected
  block        WHAT is rejected; --host, --tld: WHAT is the name, or the last label of the name, of clients;
               --recipient: WHAT is a user who is refused
  enable       the check is on; --log: only tried out. "all" stands for all checks
  expire       its refused mail is kept for DURATION, such as 90d (0: for ever), or up to SIZE, such as 1g; what is not
               given stays as it is
  DOMAIN of allow and block may be _global_: for all domains

lint           says what can never match, means nothing, leads nowhere, or may not be read
explain        says which markers decide about mail to ADDRESS, in order

settings, such as --srv=/srv and --config=FILE, are read as by postern serve; --trial: those of the trial run

exit codes: 0 done; 64 wrong usage; 65 lint has found something; 74 /srv cannot be read or written; 78 wrong settings
`;

interface SrvTask {
  readonly settings: Settings;
  readonly words: Words;
  readonly terminal: Terminal;
}

interface SrvSubcommand {
  readonly options: OptionTable;
  readonly run: (task: SrvTask) => number | Promise<number>;
}

const subcommands: Readonly<Record<string, SrvSubcommand>> = {
  'add-domain': { options: { 'all-users': 'flag' }, run: addDomain },
  allow: { options: { recipient: 'flag' }, run: (task) => list(task, 'whitelisted') },
  block: { options: { recipient: 'flag', host: 'flag', tld: 'flag' }, run: (task) => list(task, 'blacklisted') },
  enable: { options: { log: 'flag' }, run: enable },
  expire: { options: { size: { example: '1g' } }, run: expire },
  lint: { options: { json: 'flag' }, run: lint },
  explain: { options: { from: { example: 'anna@example.org' }, ip: { example: '192.0.2.1' } }, run: explainAddress },
};

export async function srv({ argv, env }: CommandLine): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (name === 'help' || argv.some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(help);
    return argv.length === 0 ? exit.usage : exit.ok;
  }
  const command = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (!command) {
    const meant = nearest(name, Object.keys(subcommands));
    const hint = meant === undefined ? `say one of ${Object.keys(subcommands).join(', ')}` : `did you mean ${meant}?`;
    return misused(`there is no "srv ${shown(name, 40)}"; ${hint}`);
  }
  const loaded = load({ argv: rest, env }, Object.keys(command.options));
  if (!loaded.ok) return failed(exit.config, loaded.problem);
  const words = readWords(
    loaded.value.rest.filter((word) => word !== '--trial'),
    command.options,
  );
  if (!words.ok) return misused(`srv ${name}: ${words.problem}`);
  try {
    return await command.run({ settings: loaded.value.settings, words, terminal: terminalOf(process.stdout, env) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof BrokenMarker || error instanceof OutsideTree || code !== undefined)
      return failed(exit.ioError, [`srv ${name}: ${message}`]);
    throw error;
  }
}

const misused = (problem: string): number => failed(exit.usage, [`${problem}; postern srv --help explains`]);

function made(settings: Settings, markers: MarkerPaths, text?: string): number {
  if (!markers.ok) return misused(`srv: ${shown(markers.problem, 300)}`);
  for (const { command, path, old, isChanged } of make(settings.srv, markers.value, text)) {
    say(command);
    if (!isChanged) continue;
    const detail = text === undefined || text === '' ? undefined : text.trim();
    const more = { ...(old !== undefined && { old }), ...(detail !== undefined && { detail }) };
    recordCommand(settings, { what: 'marker made', target: path, ...more, result: 'done' });
  }
  return exit.ok;
}

function addDomain({ settings, words: { words, options } }: SrvTask): number {
  const [domain, ...users] = words;
  if (domain === undefined) return misused('srv add-domain: name a domain');
  return made(settings, domainMarkers(domain, options.has('all-users') ? [...users, '*'] : users));
}

function list({ settings, words: { words, options } }: SrvTask, which: 'whitelisted' | 'blacklisted'): number {
  const [scope, ...what] = words;
  const kinds = (['recipient', 'host', 'tld'] as const).filter((kind) => options.has(kind));
  if (scope === undefined || what.length === 0 || kinds.length > 1)
    return misused('srv: name a domain, or _global_, and what is meant');
  return made(settings, listMarkers({ list: which, scope, what, kind: kinds[0] }, srvOf(settings)));
}

async function enable({ settings, words: { words, options } }: SrvTask): Promise<number> {
  const [domain, ...names] = words;
  if (domain === undefined || names.length === 0) return misused('srv enable: name a domain, and checks');
  const plugins = await pluginsOf(settings);
  if (typeof plugins === 'number') return plugins;
  const markers = checkMarkers(domain.toLowerCase(), names, { srv: srvOf(settings), checks: knownChecks(plugins) });
  return made(settings, markers, options.has('log') ? 'log\n' : '');
}

function expire({ settings, words: { words, options } }: SrvTask): number {
  const [name = '', duration, ...more] = words;
  const size = options.get('size');
  if ((duration === undefined && size === undefined) || more.length > 0)
    return misused('srv expire: name a domain, and how long its refused mail is kept, or how much of it');
  const tree = srvOf(settings);
  const domain = parseDomain(name);
  if (domain === undefined || !tree.isHosted(domain)) return misused(`srv: "${shown(name, 300)}" is no hosted domain`);
  const asked = {
    ...(duration !== undefined && { expire: duration }),
    ...(size !== undefined && { expire_size: size }),
  };
  const writer = new MarkerWriter(settings.srv, (name_) => tree.folderName(name_));
  const change = changeExpiry(asked, { tree: writer, domain });
  if (change.kind === 'wrong') return misused(`srv expire: ${shown(change.problem, 300)}`);
  const file = quoted(change.file);
  const command = change.kind === 'removed' ? `rm -f ${file}` : `printf '${change.lines.join('\\n')}\\n' >${file}`;
  say(command);
  recordCommand(settings, fileRecord(change));
  return exit.ok;
}

async function lint({ settings, words: { words, options }, terminal }: SrvTask): Promise<number> {
  if (words.length > 0) return misused('srv lint: takes no words');
  const plugins = await pluginsOf(settings);
  return typeof plugins === 'number' ? plugins : srvLint({ settings, plugins, json: options.has('json'), terminal });
}

async function explainAddress({ settings, words: { words, options }, terminal }: SrvTask): Promise<number> {
  const [word, ...more] = words;
  const recipient = word === undefined || more.length > 0 ? undefined : parseAddress(word);
  if (!recipient) return misused('srv explain: name one address, such as alice@example.com');
  const ip = options.get('ip');
  const client = ip === undefined ? undefined : parseIp(ip);
  if (ip !== undefined && !client) return misused(`srv explain: --ip=${shown(ip, 60)} is no address`);
  const from = options.get('from');
  const sender = from === undefined ? undefined : from === '' || from === '<>' ? nullPath : parseAddress(from);
  if (from !== undefined && !sender) return misused(`srv explain: --from=${shown(from, 60)} is no address`);
  const wired = await wireToTry(settings, createLogger({ ...settings, log_level: 'silent' }));
  if (!wired.ok) return failed(exit.config, wired.problem);
  const { value: services } = wired;
  try {
    const name = client && (await services.clientName(client));
    process.stdout.write(
      render(
        explain({ recipient, client, name, sender }, { srv: services.srv, plugins: services.plugins.listed }),
        terminal,
      ),
    );
    return exit.ok;
  } finally {
    await Promise.all([services.content.close(), services.relay.close(), services.store.close()]);
  }
}

const nullPath = { text: '', domain: '' };

async function pluginsOf(settings: Settings): Promise<readonly Plugin[] | number> {
  const loaded = await loadPlugins(listOf(settings), foldersOf(settings));
  return loaded.ok ? loaded.value : failed(exit.config, loaded.problem);
}
