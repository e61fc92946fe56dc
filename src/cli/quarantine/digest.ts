/**
 * `postern quarantine digest`: for cron or a timer, once a day. Each domain's postmaster is told what was refused the
 * day before.
 */
import { printable } from '../../mail/text.js';
import { counted } from '../../digest/compose.js';
import { type DigestResult, sendDigest } from '../../digest/digest.js';
import { exit } from '../exit-codes.js';
import { jsonLine } from '../terminal.js';
import { srvOf } from '../wire.js';
import type { Task } from './task.js';
import { wayOut } from '../relay/way-out.js';
import { complain } from '../complain.js';

export async function digest({ settings, holdings, mails, options, words }: Task): Promise<number> {
  const url = settings.digest_url;
  if (words.length > 0) return ended(exit.usage, 'quarantine digest takes no words; name a domain by --domain');
  if (url === '')
    return ended(exit.config, 'digests are off: digest_url must say where the quarantine page is reached');
  const hosted = srvOf(settings);
  const only = options.get('domain');
  // A mail to the postmaster of any other domain would leave this machine.
  if (only !== undefined && !hosted.isHosted(only)) return ended(exit.usage, `${printable(only)} is no domain of ours`);
  const { links, sent } = holdings;
  const dryRun = options.has('dry-run');
  const way = wayOut(settings);
  if (!way.ok) return ended(exit.config, way.problem);
  const relay = way.value;
  const { hostname } = settings;
  let code: number = exit.ok;
  try {
    for (const domain of only === undefined ? hosted.domains() : [only]) {
      const again = options.has('again');
      const result = await sendDigest(domain, { mails, sent, hostname, url, relay, links, again, dryRun });
      code = Math.max(code, codeOf(result));
      if (result.kind !== 'nothing' || only !== undefined || options.has('json'))
        process.stdout.write(options.has('json') ? jsonOf(domain, result) : lineOf(domain, result));
    }
    if (!dryRun) {
      await links.tidy();
      await sent.forgetOld();
    }
  } finally {
    await relay.close();
  }
  return code;
}

function codeOf({ kind }: DigestResult): number {
  if (kind === 'unreachable') return exit.unavailable;
  return ['refused', 'busy', 'unknown'].includes(kind) ? exit.notAll : exit.ok;
}

const jsonOf = (domain: string, { kind, ...more }: DigestResult): string => jsonLine({ domain, result: kind, ...more });

function lineOf(domain: string, result: DigestResult): string {
  const mails = 'mails' in result ? ` ${counted(result.mails)}` : '';
  const detail = 'detail' in result ? `: ${printable(result.detail, 500)}` : '';
  return `${printable(domain)}  ${result.kind}${mails}${detail}\n`;
}

function ended(code: number, problem: string): number {
  complain([problem]);
  return code;
}
