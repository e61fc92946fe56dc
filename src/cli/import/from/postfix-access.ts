/** Postfix's access(5) tables, as entries of black- and whitelists. */
import { parseNetwork } from '../../../mail/ip.js';
import type { PlanDraft } from '../plan.js';
import type { PostfixConfig } from './postfix.js';
import { type MapEntry, readMap } from './postfix-maps.js';

interface AccessPlace {
  /** What is looked up: `client`, `sender`, `recipient`, `helo`, `reverse_client_hostname`. */
  readonly of: string;
  readonly from: string;
}

export function accessMap(spec: string, place: AccessPlace, { folder, plan }: PostfixConfig): void {
  const map = readMap(spec, folder);
  if (map === undefined || map.kind === 'elsewhere')
    return plan.note('none', `${place.from} ${spec}`, map?.why ?? 'is no table');
  if (map.kind === 'patterns') return plan.note('none', `${place.from} ${spec}`, 'entries are names, not patterns');
  if (place.of === 'helo') return plan.note('none', `${place.from} ${spec}`, 'HELO names have no list');
  for (const entry of map.entries) access(entry, place, plan);
}

function access(entry: MapEntry, { of }: AccessPlace, plan: PlanDraft): void {
  const { key, value, from } = entry;
  const [action = ''] = value.toUpperCase().split(/\s+/);
  if (action === 'DUNNO') return;
  const which = /^(?:REJECT|5\d\d|550)/.test(action)
    ? 'blacklisted'
    : /^(?:OK|PERMIT|\d+$)/.test(action)
      ? 'whitelisted'
      : undefined;
  if (which === undefined) plan.note('none', from, `${value}: entries reject, or lift rejections`);
  else if (of === 'sender') sender(key, which, from, plan);
  else if (of === 'recipient') recipient(key, which, from, plan);
  else client(key, which, from, plan);
}

type WhichList = 'blacklisted' | 'whitelisted';

function sender(key: string, which: WhichList, from: string, plan: PlanDraft): void {
  if (key === '<>') plan.note('none', from, 'the null reverse-path has no entry');
  else if (key.endsWith('@')) plan.note('none', from, `${key}: a sender is a whole address, or a domain`);
  else {
    plan.sender(which, key.replace(/^\./, ''), from);
    if (!key.includes('@'))
      plan.note(
        'differs',
        'check_sender_access',
        'a sender’s domain is compared whole: names below it have entries of their own',
      );
  }
}

function recipient(key: string, which: WhichList, from: string, plan: PlanDraft): void {
  if (!/^[^@]+@[^@]+$/.test(key)) plan.note('none', from, `${key}: a recipient is a whole address`);
  else if (which === 'blacklisted') plan.user(key, 'invalid', from);
  else plan.recipient(key, from);
}

function client(key: string, which: WhichList, from: string, plan: PlanDraft): void {
  const network = networkOf(key);
  if (network !== undefined) plan.listed('_global_', `${which}/ips`, network, from);
  else if (which === 'whitelisted') plan.note('none', from, `${key}: clients are whitelisted by address, not by name`);
  else if (/^\.?[a-z]{2,}$/i.test(key)) plan.listed('_global_', 'blacklisted/tld', key, from);
  else {
    plan.listed('_global_', 'blacklisted/hosts', key.replace(/^\./, ''), from);
    plan.note(
      'differs',
      'check_client_access',
      'a client’s name is compared whole: names below it have entries of their own',
    );
  }
}

/** Postfix takes `192.168` for all that begins so. */
function networkOf(key: string): string | undefined {
  const bare = key.replace(/^\[(.*)\]/, '$1');
  if (parseNetwork(bare)) return bare;
  if (!/^\d{1,3}(?:\.\d{1,3}){0,2}$/.test(bare)) return undefined;
  const octets = bare.split('.');
  return `${[...octets, '0', '0', '0'].slice(0, 4).join('.')}/${8 * octets.length}`;
}
