/**
 * `postern srv explain`: which markers decide about a recipient, a client and a sender, in the order in which they are
 * asked.
 */
import type { ClientName, Plugin } from '../../hooks/plugin.js';
import type { Address } from '../../mail/address.js';
import { type Ip, noAddress } from '../../mail/ip.js';
import type { CheckMode } from '../../srv/check-mode.js';
import { BrokenMarker, type Srv } from '../../srv/srv.js';
import type { Settings } from '../../settings/settings.js';
import { shown } from '../terminal.js';
import type { Line, Style } from '../../text/line.js';

export interface Explained {
  readonly recipient: Address;
  readonly client: Ip | undefined;
  /** It is the client's name, where it has one. */
  readonly name: ClientName | undefined;
  /** It is '' for the null reverse-path, and undefined where none was given. */
  readonly sender: { readonly text: string; readonly domain: string } | undefined;
}

export interface ExplainStep {
  readonly question: string;
  /** It is the marker that answers, relative to the root; undefined when none does. */
  readonly marker: string | undefined;
  readonly meaning: string;
  readonly style?: Style;
}

/** Throws BrokenMarker where /srv cannot be read. */
export function explain(
  asked: Explained,
  { srv, settings, plugins }: RelayStepParts & { readonly plugins: readonly Plugin[] },
): Line[] {
  const { domain } = asked.recipient;
  if (!srv.isHosted(domain)) {
    const meaning = 'not hosted: 550 5.7.1 Relaying denied at RCPT, whatever else there is; nothing is kept';
    return written([{ question: 'domain', marker: undefined, meaning, style: 'red' }]);
  }
  const relay = relayStep(domain, { srv, settings });
  const hosted: ExplainStep = { question: 'domain', marker: `${srv.folderName(domain)}/`, meaning: 'hosted' };
  const recipient = recipientStep(asked, srv);
  const black = blackSteps(asked, srv);
  const white = whiteSteps(asked, srv);
  const checks = checkSteps(domain, { srv, plugins });
  return [
    ...written([hosted, relay, recipient, ...checks, ...black, ...white]),
    [['']],
    [[verdict(asked, { relay, recipient, checks, black, white }), 'bold']],
  ];
}

function recipientStep({ recipient, client }: Explained, srv: Srv): ExplainStep {
  const { domain, localPart } = recipient;
  const at: Ip = client ?? noAddress;
  const found = srv.recipient(domain, localPart, at);
  const marker = found.kind === 'valid' ? found.marker : /^users\/\S+?(?=\/? has|$)/.exec(found.why)?.[0];
  const place = marker === undefined ? undefined : `${srv.folderName(domain)}/${marker}`;
  if (found.kind === 'valid') return { question: 'recipient', marker: place, meaning: 'accepted', style: 'green' };
  const why = found.why.includes(noAddress.text)
    ? `${found.why.split(' ')[0]} says from which clients: give --ip`
    : found.why;
  const meaning =
    found.kind === 'unknown' ? `refused, unless a directory (valid_users ldap) knows it: ${why}` : `refused: ${why}`;
  return { question: 'recipient', marker: place, meaning, style: 'red' };
}

interface RelayStepParts {
  readonly srv: Srv;
  readonly settings: Pick<Settings, 'relay'>;
}

/** Where the mail goes once it is accepted, or why it never is. */
export function relayStep(domain: string, { srv, settings }: RelayStepParts): ExplainStep {
  const question = 'destination';
  const marker = `${srv.folderName(domain)}/relay`;
  try {
    const own = srv.destinations(domain);
    return own === undefined
      ? { question, marker: undefined, meaning: `${settings.relay.text}, by the setting relay` }
      : { question, marker, meaning: own.text, style: 'green' };
  } catch (error) {
    if (!(error instanceof BrokenMarker)) throw error;
    return { question, marker, ...deferring(error.message) };
  }
}

export function checkSteps(
  domain: string,
  { srv, plugins }: { readonly srv: Srv; readonly plugins: readonly Plugin[] },
): ExplainStep[] {
  return plugins.flatMap((plugin): ExplainStep[] => {
    try {
      return checkStep(domain, plugin, srv);
    } catch (error) {
      if (!(error instanceof BrokenMarker)) throw error;
      return [{ question: `check ${plugin.name}`, marker: undefined, ...deferring(error.message) }];
    }
  });
}

const deferring = (problem: string): Pick<ExplainStep, 'meaning' | 'style'> => ({
  meaning: `all mail is deferred until it is mended: ${problem}`,
  style: 'red',
});

function checkStep(domain: string, plugin: Plugin, srv: Srv): ExplainStep[] {
  const { name, inAll, list } = plugin;
  if (inAll === undefined) return [];
  const folder = srv.folderName(domain);
  if (plugin.switches === undefined) return [listedStep(name, srv.checkMode(domain, name, false), folder)];
  const lines = list === undefined ? undefined : srv.lines(domain, list);
  if (list !== undefined && lines === undefined) return [];
  const own = srv.checkMode(domain, name, false);
  const mode = srv.checkMode(domain, name, inAll);
  if (mode === 'off' && list === undefined) return [];
  const marker =
    own !== 'off' ? `${folder}/checks/${name}` : list === undefined ? `${folder}/checks/all` : `${folder}/${list}`;
  const step = { question: `check ${name}`, marker };
  if (name !== 'score' || lines === undefined) return [{ ...step, meaning: meaningOf(mode) }];
  const [wrong] = plugin.listProblems?.(lines) ?? [];
  if (wrong)
    return [
      { ...step, ...deferring(`${wrong.line === undefined ? '' : `"${lines[wrong.line - 1]}" `}${wrong.problem}`) },
    ];
  return [{ ...step, meaning: `${meaningOf(mode)}: ${lines.join(', ')}` }];
}

/** A filter is switched on by the list of plugins: its marker can only try it out. */
function listedStep(name: string, mode: CheckMode, folder: string): ExplainStep {
  const question = `check ${name}`;
  return mode === 'log' || typeof mode === 'object'
    ? { question, marker: `${folder}/checks/${name}`, meaning: meaningOf(mode) }
    : { question, marker: undefined, meaning: 'on: it is in the list of plugins' };
}

function meaningOf(mode: CheckMode): string {
  if (mode === 'log') return 'tried out: logged only';
  return typeof mode === 'object' ? `gives ${mode.points} points` : 'on';
}

function blackSteps({ recipient: { domain }, client, name, sender }: Explained, srv: Srv): ExplainStep[] {
  const named = name && 'name' in name ? name.name : undefined;
  return [
    ...(sender
      ? [step('blacklisted sender', srv.listed(domain, 'blacklisted', 'senders', sender.text), 'rejected')]
      : []),
    ...(sender
      ? [step('blacklisted domain', srv.listed(domain, 'blacklisted', 'domains', sender.domain), 'rejected')]
      : []),
    ...(client ? [step('blacklisted address', srv.addressListed(domain, 'blacklisted', client), 'rejected')] : []),
    ...(named === undefined
      ? []
      : [
          step(`blacklisted host ${named}`, srv.listed(domain, 'blacklisted', 'hosts', named), 'rejected'),
          step(
            'blacklisted top-level domain',
            srv.listed(domain, 'blacklisted', 'tld', named.replace(/^.*\./, '')),
            'rejected',
          ),
        ]),
  ];
}

function whiteSteps({ recipient: { domain, localPart }, client, sender }: Explained, srv: Srv): ExplainStep[] {
  const lifts = 'lifts any rejection, but not that of a refused recipient';
  return [
    step('whitelisted recipient', srv.recipientWhitelisted(domain, localPart), 'lifts any rejection'),
    ...(sender ? [step('whitelisted sender', srv.listed(domain, 'whitelisted', 'senders', sender.text), lifts)] : []),
    ...(sender ? [step('whitelisted domain', srv.listed(domain, 'whitelisted', 'domains', sender.domain), lifts)] : []),
    ...(client ? [step('whitelisted address', srv.addressListed(domain, 'whitelisted', client), lifts)] : []),
  ];
}

const step = (question: string, marker: string | undefined, meaning: string): ExplainStep => ({
  question,
  marker,
  meaning: marker === undefined ? 'no' : meaning,
  ...(marker !== undefined && { style: question.startsWith('white') ? 'green' : 'red' }),
});

interface Decisions {
  readonly relay: ExplainStep;
  readonly recipient: ExplainStep;
  readonly checks: readonly ExplainStep[];
  readonly black: readonly ExplainStep[];
  readonly white: readonly ExplainStep[];
}

function verdict({ client, sender }: Explained, { relay, recipient, checks, black, white }: Decisions): string {
  if (relay.style === 'red') return `${relay.marker} decides: 451, whatever else there is.`;
  const [wanted] = white.filter(({ marker }) => marker !== undefined);
  const [unwanted] = black.filter(({ marker }) => marker !== undefined);
  const toAll = white[0]?.marker;
  if (toAll !== undefined) return `${toAll} decides: such mail is never rejected.`;
  if (recipient.style === 'red') return `The recipient decides: 550 5.1.1 No such user, and the mail is kept.`;
  const broken = checks.find(({ style }) => style === 'red');
  if (broken) return `What ${broken.question} works by decides: 451 until it is mended.`;
  if (wanted) return `${wanted.marker} decides: such mail is not rejected.`;
  if (unwanted) return `${unwanted.marker} decides: 550 5.7.1 Blacklisted, and the mail is kept.`;
  const untold = [...(client ? [] : ['--ip']), ...(sender ? [] : ['--from'])];
  const more = untold.length > 0 ? ` Give ${untold.join(' and ')} for the lists of clients and senders.` : '';
  return `The checks decide; postern test says how they judge a mail.${more}`;
}

export function written(steps: readonly ExplainStep[]): Line[] {
  const width = Math.max(...steps.map(({ question }) => shown(question, 120).length));
  const markers = Math.max(1, ...steps.map(({ marker }) => (marker === undefined ? 1 : shown(marker, 200).length)));
  return steps.map(({ question, marker, meaning, style }): Line => [
    [`${shown(question, 120).padEnd(width)}  `],
    [(marker === undefined ? '-' : shown(marker, 200)).padEnd(markers), marker === undefined ? 'dim' : 'bold'],
    [`  ${shown(meaning)}`, style ?? 'dim'],
  ]);
}
