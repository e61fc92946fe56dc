/**
 * `postern srv`: makes markers under the names that count and takes them away, finds those that never count, and says
 * which decide.
 */
import { join } from 'node:path';
import { loadPlugins } from '../../hooks/loading/load.js';
import type { Plugin } from '../../hooks/plugin.js';
import { createLogger } from '../../log.js';
import { parseAddress } from '../../mail/address.js';
import { parseDomain } from '../../mail/domain.js';
import { parseIp } from '../../mail/ip.js';
import { parsePoints } from '../../mail/verdict.js';
import type { Settings } from '../../settings/settings.js';
import { BrokenMarker } from '../../srv/srv.js';
import { exit } from '../exit-codes.js';
import { changeExpiry } from '../../srv/expiry.js';
import { OutsideTree, removeWhole } from '../../srv/inside-tree.js';
import { exactMarker, MarkerWriter } from '../../srv/markers.js';
import { misused, type SettingsTask } from '../command/command.js';
import type { SrvCommandName } from './commands.js';
import { jsonLine, render, shown, terminalOf } from '../terminal.js';
import { checkMarkers, domainMarkers, listMarkers, make, type MarkerPaths, quoted } from './change.js';
import { explain } from './explain.js';
import { knownChecks } from './findings.js';
import { srvLint } from './lint.js';
import { domainRows, domainTable, showDomain } from './overview.js';
import { entryNamed, hostedOf, isYes, listedEntry, removalQuestion, type TreeEntry } from './removal.js';
import { foldersOf, listOf, srvOf, wireToTry } from '../wire.js';
import { complain, failed, say } from '../complain.js';
import { fileRecord } from '../../audit/file-records.js';
import { recordCommand } from '../record.js';

const subcommands: Readonly<Record<SrvCommandName, (task: SettingsTask) => number | Promise<number>>> = {
  addDomain,
  allow: (task) => list(task, 'whitelisted'),
  block: (task) => list(task, 'blacklisted'),
  enable,
  disable,
  expire,
  remove,
  list: listDomains,
  show,
  lint,
  explain: explainAddress,
};

const changes: readonly SrvCommandName[] = ['addDomain', 'allow', 'block', 'enable', 'disable', 'expire', 'remove'];

/** The exit code; broken IO of /srv is told in a line. */
export async function srv(name: SrvCommandName, task: SettingsTask): Promise<number> {
  const { srv: tree, srv_from: from } = task.settings;
  if (from !== '' && changes.includes(name))
    return failed(exit.ioError, [`${task.name}: ${tree} is a copy here, and nothing is changed: do it on ${from}`]);
  try {
    return await subcommands[name](task);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof BrokenMarker || error instanceof OutsideTree || code !== undefined)
      return failed(exit.ioError, [`${task.name}: ${message}`]);
    throw error;
  }
}

function made(task: SettingsTask, markers: MarkerPaths, text?: string): number {
  const { settings } = task;
  if (!markers.ok) return misused(task, shown(markers.problem, 300));
  for (const { command, path, old, isChanged } of make(settings.srv, markers.value, text)) {
    say(command);
    if (!isChanged) continue;
    const detail = text === undefined || text === '' ? undefined : text.trim();
    const more = { ...(old !== undefined && { old }), ...(detail !== undefined && { detail }) };
    recordCommand(settings, { what: 'marker made', target: path, ...more, result: 'done' });
  }
  return exit.ok;
}

function addDomain(task: SettingsTask): number {
  const { words, options } = task;
  const [domain, ...users] = words;
  if (domain === undefined) return misused(task, 'name a domain');
  srvOf(task.settings).isHosted('postern.invalid'); // throws where there is no tree
  return made(task, domainMarkers(domain, options.has('all-users') ? [...users, '*'] : users));
}

function list(task: SettingsTask, which: 'whitelisted' | 'blacklisted'): number {
  const { settings, words, options } = task;
  const [scope, ...what] = words;
  const kinds = (['recipient', 'host', 'tld'] as const).filter((kind) => options.has(kind));
  if (scope === undefined || what.length === 0 || kinds.length > 1)
    return misused(task, 'name a domain, or _global_, and what is meant');
  return made(task, listMarkers({ list: which, scope, what, kind: kinds[0] }, srvOf(settings)));
}

async function enable(task: SettingsTask): Promise<number> {
  const { settings, words, options } = task;
  const [domain, ...names] = words;
  if (domain === undefined || names.length === 0) return misused(task, 'name a domain, and checks');
  const points = options.get('score');
  if (points !== undefined && parsePoints(points) === undefined)
    return misused(task, `--score=${shown(points, 60)} is no number of points, such as 2.5`);
  if (points !== undefined && options.has('log')) return misused(task, 'say --log or --score, not both');
  const plugins = await pluginsOf(settings);
  if (typeof plugins === 'number') return plugins;
  const markers = checkMarkers(domain.toLowerCase(), names, { srv: srvOf(settings), checks: knownChecks(plugins) });
  return made(task, markers, options.has('log') ? 'log\n' : points === undefined ? '' : `score ${points}\n`);
}

function disable(task: SettingsTask): number {
  const { settings, words } = task;
  const [name, ...checks] = words;
  if (name === undefined || checks.length === 0) return misused(task, 'name a domain, and checks');
  const tree = srvOf(settings);
  const domain = hostedOf(name, tree);
  if (domain === undefined) return misused(task, `"${shown(name, 300)}" is no hosted domain`);
  const odd = checks.find((check) => exactMarker(`${domain}/checks/${check}`, () => true) === undefined);
  if (odd !== undefined) return misused(task, `"${shown(odd, 300)}" can be no check`);
  const results = checks.map((check) => removeListed(task, listedEntry(tree, domain, ['checks', check])));
  if (!checks.includes('all') && tree.checkMode(domain, 'all', false) !== 'off')
    complain([`checks/all is there: what it is for stays on; postern srv disable ${domain} all takes it away`]);
  return Math.max(...results);
}

async function remove(task: SettingsTask): Promise<number> {
  const { settings, words, options } = task;
  if (words.length === 0) return misused(task, 'name a domain, an address, or what is in /srv');
  const tree = srvOf(settings);
  tree.isHosted('postern.invalid'); // throws where there is no tree
  const entries = words.map((word) => entryNamed(word, tree, settings.srv));
  const bad = entries.find((entry) => typeof entry === 'string');
  if (typeof bad === 'string') return misused(task, shown(bad, 300));
  const there = entries.filter((entry) => typeof entry !== 'string');
  const question = removalQuestion(there, settings.srv);
  if (question !== undefined && !options.has('yes')) {
    if (!process.stdin.isTTY) return misused(task, `${question} say --yes`);
    if (!(await isYes(question))) return exit.notAll;
  }
  return Math.max(...there.map((entry) => removeListed(task, entry)));
}

/** Takes the entry away, says by which command, and writes each file that held something into the audit. */
function removeListed({ settings }: SettingsTask, { names, name }: TreeEntry): number {
  const path = join(settings.srv, ...names, name);
  const removed = removeWhole({ root: settings.srv, names }, name);
  if (removed === undefined) {
    say(`# is not there: ${path}`);
    return exit.notAll;
  }
  const isWhole = removed.length !== 1 || removed[0]?.name !== name;
  say(`rm ${isWhole ? '-r ' : ''}${quoted(path)}`);
  for (const { name: entry, old } of removed)
    if (isWhole && old !== '')
      recordCommand(settings, {
        what: 'marker removed',
        target: join(settings.srv, ...names, entry),
        old,
        result: 'done',
      });
  const old = isWhole ? removed.map((one) => one.name.slice(name.length + 1)).join(' ') : (removed[0]?.old ?? '');
  recordCommand(settings, { what: 'marker removed', target: path, ...(old !== '' && { old }), result: 'done' });
  return exit.ok;
}

function listDomains({ settings, options, env }: SettingsTask): number {
  const rows = domainRows(srvOf(settings), settings.srv);
  if (options.has('json')) for (const one of rows) process.stdout.write(jsonLine(one));
  else process.stdout.write(render(domainTable([...rows]), terminalOf(process.stdout, env)));
  return exit.ok;
}

async function show(task: SettingsTask): Promise<number> {
  const { settings, words, env } = task;
  const [word, ...more] = words;
  if (word === undefined || more.length > 0) return misused(task, 'name one domain, or one address');
  if (word.includes('@')) return explainAddress(task);
  const tree = srvOf(settings);
  const domain = hostedOf(word, tree);
  if (domain === undefined)
    return failed(exit.notAll, [`"${shown(word, 300)}" is no hosted domain; postern srv list shows those there are`]);
  const plugins = await pluginsOf(settings);
  if (typeof plugins === 'number') return plugins;
  const lines = showDomain(domain, { srv: tree, root: settings.srv, plugins, settings });
  process.stdout.write(render(lines, terminalOf(process.stdout, env)));
  return exit.ok;
}

function expire(task: SettingsTask): number {
  const { settings, words, options } = task;
  const [name = '', duration, ...more] = words;
  const size = options.get('size');
  if ((duration === undefined && size === undefined) || more.length > 0)
    return misused(task, 'name a domain, and how long its refused mail is kept, or how much of it');
  const tree = srvOf(settings);
  const domain = parseDomain(name);
  if (domain === undefined || !tree.isHosted(domain)) return misused(task, `"${shown(name, 300)}" is no hosted domain`);
  const asked = {
    ...(duration !== undefined && { expire: duration }),
    ...(size !== undefined && { expire_size: size }),
  };
  const writer = new MarkerWriter(settings.srv, (name_) => tree.folderName(name_));
  const change = changeExpiry(asked, { tree: writer, domain });
  if (change.kind === 'wrong') return misused(task, shown(change.problem, 300));
  const file = quoted(change.file);
  const command = change.kind === 'removed' ? `rm -f ${file}` : `printf '${change.lines.join('\\n')}\\n' >${file}`;
  say(command);
  recordCommand(settings, fileRecord(change));
  return exit.ok;
}

async function lint({ settings, options, env }: SettingsTask): Promise<number> {
  const plugins = await pluginsOf(settings);
  if (typeof plugins === 'number') return plugins;
  return srvLint({ settings, plugins, json: options.has('json'), terminal: terminalOf(process.stdout, env) });
}

async function explainAddress(task: SettingsTask): Promise<number> {
  const { settings, words, options, env } = task;
  const [word, ...more] = words;
  const recipient = word === undefined || more.length > 0 ? undefined : parseAddress(word);
  if (!recipient) return misused(task, 'name one address, such as alice@example.com');
  const ip = options.get('ip');
  const client = ip === undefined ? undefined : parseIp(ip);
  if (ip !== undefined && !client) return misused(task, `--ip=${shown(ip, 60)} is no address`);
  const from = options.get('from');
  const sender = from === undefined ? undefined : from === '' || from === '<>' ? nullPath : parseAddress(from);
  if (from !== undefined && !sender) return misused(task, `--from=${shown(from, 60)} is no address`);
  const wired = await wireToTry(settings, createLogger({ ...settings, log_level: 'silent' }));
  if (!wired.ok) return failed(exit.config, wired.problem);
  const { value: services } = wired;
  try {
    const name = client && (await services.clientName(client));
    process.stdout.write(
      render(
        explain(
          { recipient, client, name, sender },
          {
            srv: services.srv,
            settings,
            plugins: services.plugins.listed,
          },
        ),
        terminalOf(process.stdout, env),
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
