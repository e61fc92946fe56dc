/**
 * rspamd's greylisting and thresholds. Its own configuration language is read as far as these need: `key = value;` in
 * the files of a module, of which override.d wins over local.d, and that over what ships.
 */
import { ForeignFolder } from '../foreign.js';
import type { SourceReader } from '../import.js';
import type { PlanDraft } from '../plan.js';

export const readRspamd: SourceReader = (plan, { path }) => {
  const folder = new ForeignFolder(path, plan);
  if (!ofRspamd.some((name) => folder.has(name)))
    return plan.note('by hand', 'rspamd.conf', `is not in ${path}: is it rspamd’s?`);
  const greylist = moduleOf('greylist', folder);
  const actions = moduleOf('actions', folder);
  plan.takeExisting();
  if (/^(?:false|no|off)$/.test(greylist.get('enabled') ?? '')) plan.note('none', 'greylist', 'is off');
  else greylisting(greylist, plan);
  thresholds(actions, plan);
  for (const name of ['whitelisted_ip', 'whitelist_domains_url'])
    if (greylist.has(name))
      plan.note(
        'by hand',
        `greylist: ${name}`,
        'whitelisted/ips and domains spare a mail all checks, not greylisting alone; SPF spares domains that are known',
      );
};

/** Any of them is in its folder. */
const ofRspamd = ['rspamd.conf', 'actions.conf', 'modules.d', 'local.d', 'override.d'] as const;

type Values = ReadonlyMap<string, string>;

function moduleOf(name: string, folder: ForeignFolder): Values {
  const files = [`${name}.conf`, `modules.d/${name}.conf`, `local.d/${name}.conf`, `override.d/${name}.conf`];
  const text = files.map((file) => folder.text(file) ?? '').join('\n');
  const pairs = [...text.matchAll(/^[ \t]*"?([\w-]+)"?[ \t]*[=:][ \t]*("[^"\n]*"|[^;#\n]*)/gm)];
  return new Map(pairs.map(([, key = '', value = '']) => [key, value.trim().replace(/^"(.*)"$/, '$1')]));
}

function greylisting(greylist: Values, plan: PlanDraft): void {
  const from = 'greylist';
  const delay = duration(greylist.get('timeout') ?? '5min');
  const life = duration(greylist.get('expire') ?? '1d');
  plan.check('greylisting', from);
  if (delay === undefined || life === undefined)
    return plan.note('by hand', from, 'timeout or expire is no time: greylisting has 5m and 36d');
  plan.plugin(`greylisting delay=${delay} window=${life} life=36d clients=5`, from);
  plan.note(
    'differs',
    from,
    'a score does not matter: all mail is put off that is not rejected, and comes of a network that is not known',
  );
  plan.note('differs', from, 'an IPv4 network is a /24 (ipv4_mask), and the text of the mail does not count');
  plan.note(
    'differs',
    from,
    'what has passed is remembered for 36 days; expire is how long the second try is waited for',
  );
  plan.note('by hand', from, 'enabled = false; in local.d/greylist.conf of rspamd, or both put mail off');
}

function thresholds(actions: Values, plan: PlanDraft): void {
  const [reject, mark] = [actions.get('reject'), actions.get('add_header') ?? actions.get('add header')];
  if (reject === undefined && mark === undefined) return;
  const words = [reject === undefined ? '' : ` reject=${reject}`, mark === undefined ? '' : ` mark=${mark}`];
  plan.plugin(`rspamd 127.0.0.1:11333${words.join('')}`, 'actions');
  plan.note('by hand', 'actions', 'postern srv enable DOMAIN rspamd, for each domain whose mail it shall score');
}

/** `5min`, `300`, `1d` */
function duration(text: string): string | undefined {
  const [, number, unit = 's'] = /^(\d+)\s*(s|sec|m|min|h|d|w|ms)?$/.exec(text.toLowerCase()) ?? [];
  if (number === undefined) return undefined;
  if (unit === 'w') return `${Number(number) * 7}d`;
  return `${number}${unit === 'sec' ? 's' : unit === 'min' ? 'm' : unit}`;
}
