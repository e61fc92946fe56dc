/** What postscreen does before smtpd: its DNS lists, its access list, and who talks before the greeting. */
import type { PostfixConfig } from './postfix.js';
import { accessMap } from './postfix-access.js';

export function postscreen(config: PostfixConfig): void {
  const { main, plan } = config;
  if (!main.hasPostscreen) return;
  lists(config);
  for (const word of main.words('postscreen_access_list'))
    if (word.includes(':')) accessMap(word, { of: 'client', from: 'postscreen_access_list' }, config);
  if (/^(?:enforce|drop)$/.test(main.get('postscreen_greet_action')))
    plan.plugin('earlytalker delay=6s', 'postscreen_greet_action');
  plan.note(
    'differs',
    'postscreen',
    'a listed client is not dropped before smtpd: its mail is read and kept, and can be released',
  );
}

/** A line of `zones` is as a site of postscreen's; weights are added up where not each list rejects by itself. */
function lists({ main, plan }: PostfixConfig): void {
  const sites = main.words('postscreen_dnsbl_sites');
  if (sites.length === 0) return;
  const from = 'postscreen_dnsbl_sites';
  const threshold = Number(main.get('postscreen_dnsbl_threshold'));
  const weightOf = (site: string): number => Number(/\*(-?\d+)$/.exec(site)?.[1] ?? 1);
  const isScored = sites.some((site) => weightOf(site) < threshold);
  const isIgnored = main.get('postscreen_dnsbl_action') === 'ignore';
  for (const site of sites) {
    const zone = site.replace(/\*-?\d+$/, '');
    plan.lineOfAll('zones', isScored ? `${zone}*${weightOf(site)}` : zone, `${from}: ${site}`);
  }
  if (isScored) plan.lineOfAll('score', `reject ${threshold}`, 'postscreen_dnsbl_threshold');
  if (isIgnored) plan.check(isScored ? 'score' : 'dnsbl', 'postscreen_dnsbl_action: ignore', 'log\n');
}
