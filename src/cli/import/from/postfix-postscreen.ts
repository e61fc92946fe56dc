/** What postscreen does before smtpd: its DNS lists and its access list. */
import type { PostfixConfig } from './postfix.js';
import { accessMap } from './postfix-access.js';
import { askZone } from './postfix-restrictions.js';

export function postscreen(config: PostfixConfig): void {
  const { main, plan } = config;
  if (!main.hasPostscreen) return;
  const threshold = Number(main.get('postscreen_dnsbl_threshold'));
  for (const site of main.words('postscreen_dnsbl_sites')) {
    const from = `postscreen_dnsbl_sites: ${site}`;
    const weight = Number(/\*(-?\d+)$/.exec(site)?.[1] ?? 1);
    if (weight < 0) plan.note('none', from, 'whitelisted/ips says whom to trust, no list in DNS');
    else if (weight >= threshold) askZone('zones', site, from, config);
    else plan.note('by hand', from, `alone it did not reject (${weight} of ${threshold}), and a line in zones would`);
  }
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
