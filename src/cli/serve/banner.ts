/** What the trial run says once it is up: where it listens, whom it hosts, where the page is, what to type next. */
import { relative } from 'node:path';
import type { Plugin } from '../../hooks/plugin.js';
import type { Settings } from '../../settings/settings.js';
import { sinkFolder } from '../../trial/trial-settings.js';
import { srvOf } from '../wire.js';
import { survey } from './survey.js';

export interface BannerParts {
  readonly settings: Settings;
  readonly plugins: readonly Plugin[];
  /** Where mail is taken. */
  readonly bound: readonly string[];
  /** The page's address. */
  readonly page: string | undefined;
}

export function banner({ settings, plugins, bound, page }: BannerParts): string {
  const { relay } = settings;
  const near = (path: string): string => relative('', path) || '.';
  const domains = survey(srvOf(settings), plugins).map(
    ({ domain, checks }) =>
      `    ${domain.padEnd(20)} ${checks.length === 0 ? 'no checks' : `checks: ${checks.join(' ')}`}`,
  );
  const [first = ''] = bound;
  const host = first.slice(0, first.lastIndexOf(':'));
  const port = first.slice(first.lastIndexOf(':') + 1);
  const next = [
    ['npm run demo', 'sends a set of mails and shows what became of them'],
    ['npx postern quarantine list --trial', 'what was refused; show and release take an ID'],
    [`touch ${near(settings.srv)}/example.net/users/valid/yourname`, 'makes a mailbox, from the next command on'],
    [`swaks -s ${host} -p ${port} -t yourname@example.net`, 'sends it a mail, if you have swaks'],
  ];
  const width = Math.max(...next.map(([command = '']) => command.length));
  return `
  postern takes mail on ${bound.join(', ')}
    refused mail is kept in   ${near(settings.spam)}/
    accepted mail goes to     ${relay.text}, which keeps it in ${near(sinkFolder())}/

  hosted domains (${near(settings.srv)}/)
${domains.join('\n')}
${page === undefined ? '' : `\n  see what was refused (this address works once)\n    ${page}\n`}
  now try, in a second terminal (in this one Ctrl-C stops it)
${next.map(([command = '', what]) => `    ${command.padEnd(width)}   ${what}`).join('\n')}

`;
}
