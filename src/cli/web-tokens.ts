/** `postern web token`, `web tokens` and `web revoke`: who may log in to the quarantine page. */
import { parseDomain } from '../mail/domain.js';
import { errorText } from '../mail/error-text.js';
import { printable } from '../mail/text.js';
import { nearest } from '../settings/nearest.js';
import type { Settings } from '../settings/settings.js';
import { SourceDown } from '../quarantine/kept-mails.js';
import { BrokenMarker } from '../srv/srv.js';
import type { Token } from '../web/login/tokens.js';
import { misused, type SettingsTask } from './command/command.js';
import { complain, failed, say } from './complain.js';
import { exit } from './exit-codes.js';
import { recordCommand } from './record.js';
import { srvOf } from './wire.js';
import { openHoldings } from './holdings.js';
import { type TokenStore, tokenStore } from './catalog/shared-tokens.js';
import { jsonLine, render, shown, terminalOf } from './terminal.js';

export const makeToken = (task: SettingsTask): Promise<number> => onTokens(task, make);
export const listTokens = (task: SettingsTask): Promise<number> => onTokens(task, list);
export const revokeToken = (task: SettingsTask): Promise<number> => onTokens(task, revoke);

/** Broken IO of the file of tokens ends the command. */
async function onTokens(
  task: SettingsTask,
  run: (task: SettingsTask, store: TokenStore) => Promise<number>,
): Promise<number> {
  const holdings = await openHoldings(task.settings);
  try {
    return await run(task, tokenStore(task.settings.web_tokens, holdings.logins?.tokens));
  } catch (error) {
    if (error instanceof SourceDown) return failed(exit.unavailable, [`catalog: ${error.message}`]);
    return failed(exit.cantCreate, [`web_tokens: ${errorText(error)}`]);
  } finally {
    await holdings.close();
  }
}

/** Prints the ready link; the bare token where nobody knows where the page is. The file gets its hash alone. */
async function make(task: SettingsTask, store: TokenStore): Promise<number> {
  const { settings, words, options } = task;
  const [name = '', ...more] = words;
  const given = options.get('domain')?.split(',');
  const stranger = given?.find((one) => parseDomain(one) === undefined);
  if (stranger !== undefined) return misused(task, `--domain: "${printable(stranger, 100)}" is no domain name`);
  const scope = given?.map((one) => parseDomain(one)).join(',') ?? 'admin';
  if (!/^[\w.@-]{1,60}$/.test(name) || more.length > 0)
    return misused(task, 'whose is it? name somebody, such as anna');
  for (const domain of given ?? []) warnOfStranger(domain, settings);
  const token = await store.add(name, scope);
  recordCommand(settings, { what: 'token made', target: name, detail: scope, result: 'done' });
  const page = pageAddress(settings);
  process.stdout.write(`${page === undefined ? token : `${page}login#token=${token}`}\n`);
  const where = page === undefined ? 'the page asks for it; ' : 'open this link, which nobody else is to see; ';
  say(`${where}added to ${store.place}; postern web revoke ${name} ends it`, process.stderr);
  return exit.ok;
}

/** The token is made all the same: the domain may be added later, and a tree that cannot be read says nothing. */
function warnOfStranger(domain: string, settings: Settings): void {
  try {
    if (srvOf(settings).isHosted(parseDomain(domain) ?? '')) return;
    complain([`warning: ${printable(domain, 100)} is not hosted: the page has nothing of it until it is`]);
  } catch (error) {
    if (!(error instanceof BrokenMarker)) throw error;
  }
}

/** The address at which browsers find the page; undefined when the settings do not say. */
function pageAddress({ digest_url: url, web_hosts: [proxied], web: at, hostname }: Settings): string | undefined {
  if (url !== '') return `${url.replace(/\/$/, '')}/`;
  if (proxied !== undefined) return `https://${proxied}/`;
  if (at === undefined || at.port === 0) return undefined;
  const host = at.host === '0.0.0.0' || at.host === '::' || at.host === '*' ? hostname : at.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${at.port}/`;
}

const scopeOf = ({ domains }: Token): string => (domains ? [...domains].join(', ') : 'everything');

async function list({ options, env }: SettingsTask, store: TokenStore): Promise<number> {
  const tokens = await store.all();
  if (options.has('json')) {
    for (const { name, domains, made } of tokens)
      process.stdout.write(jsonLine({ name, ...(domains && { domains: [...domains] }), made }));
    return exit.ok;
  }
  if (tokens.length === 0) say(`${store.place}: nobody may log in`);
  const width = Math.max(0, ...tokens.map(({ name }) => shown(name, 60).length));
  const rows = tokens.map((token) => [
    [`${shown(token.name, 60).padEnd(width)}  `, 'bold'] as const,
    [`${(shown(token.made, 10) || '-').padEnd(10)}  `, 'dim'] as const,
    [shown(scopeOf(token), 500)] as const,
  ]);
  process.stdout.write(render(rows, terminalOf(process.stdout, env)));
  return exit.ok;
}

async function revoke(task: SettingsTask, store: TokenStore): Promise<number> {
  const { settings, words } = task;
  const [name, ...more] = words;
  if (name === undefined || more.length > 0) return misused(task, 'whose? postern web tokens lists them');
  const gone = await store.revoke(name);
  if (gone.length === 0) {
    const names = (await store.all()).map((token) => token.name);
    const meant = nearest(name, names);
    const hint = meant === undefined ? 'postern web tokens lists them' : `did you mean ${meant}?`;
    return failed(exit.notAll, [`web revoke: nobody is called ${printable(name, 100)} in ${store.place}; ${hint}`]);
  }
  for (const token of gone)
    recordCommand(settings, { what: 'token revoked', target: name, old: scopeOf(token), result: 'done' });
  const count = gone.length === 1 ? 'the token' : `${gone.length} tokens`;
  say(`took out ${count} of ${name}; sessions that began with it have ended`);
  return exit.ok;
}
