/** What postscreen does before smtpd: its DNS lists and its access list. */
import type { PostfixConfig } from './postfix.js';
import { accessMap } from './postfix-access.js';
import { askZone } from './postfix-restrictions.js';

export function postscreen(config: PostfixConfig): void {
  const { main, plan } = config;
  if (!main.hasPostscreen) return;
  dnsLists(config);
  if (main.words('postscreen_dnsbl_sites').length > 0 && main.get('postscreen_dnsbl_action') === 'ignore')
    plan.check('dnsbl', 'postscreen_dnsbl_action: ignore', 'log\n');
  for (const word of main.words('postscreen_access_list'))
    if (word.includes(':')) accessMap(word, { of: 'client', from: 'postscreen_access_list' }, config);
  if (/^(?:enforce|drop)$/.test(main.get('postscreen_greet_action')))
    plan.note('none', 'postscreen_greet_action', 'whoever talks before the greeting is not told apart');
  plan.note(
    'differs',
    'postscreen',
    'a listed client is not dropped before smtpd: its mail is read and kept, and can be released',
  );
}

/** Where each rejects alone they are lines of zones; else their weights are points, and the threshold is in `score`. */
function dnsLists(config: PostfixConfig): void {
  const { main, plan } = config;
  const sites = main.words('postscreen_dnsbl_sites');
  const threshold = Number(main.get('postscreen_dnsbl_threshold'));
  const weightOf = (site: string): number => Number(/\*(-?\d+)$/.exec(site)?.[1] ?? 1);
  const isSum = sites.some((site) => weightOf(site) < threshold);
  for (const site of sites) {
    const from = `postscreen_dnsbl_sites: ${site}`;
    const zone = site.replace(/\*-?\d+$/, '');
    askZone('zones', isSum ? `${zone}*${weightOf(site)}` : zone, from, config);
  }
  if (isSum) plan.zone('score', `reject ${threshold}`, 'postscreen_dnsbl_threshold');
}
