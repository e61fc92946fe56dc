/**
 * Fills a quarantine as months of traffic would: so many mails over so many days and domains, with index lines as the
 * archive writes them. Only the newest `withFiles` mails get files; all others have lines alone, which is all a
 * search reads. Run: node dist/test/bench/quarantine-fill.js FOLDER [--mails=1000000] [--days=30] [--domains=1000]
 */
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { rfc3339, ydayOf } from '../../src/quarantine/disk/day.js';
import { mailName } from '../../src/quarantine/disk/folder.js';
import { indexLine } from '../../src/quarantine/disk/index-entry.js';

export interface Filling {
  readonly root: string;
  readonly mails: number;
  readonly days: number;
  readonly domains: number;
  readonly now?: Date;
}

/** The same numbers at every run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

const reasons = [
  ['valid_users', 'No such user'],
  ['spf', 'SPF fail: bank.example does not permit 203.0.113.9 to send its mail by -all'],
  ['helo', 'HELO name is not fully qualified'],
  ['blacklist', 'Blacklisted'],
  ['rdns', 'No reverse name for your address'],
  ['dnsbl', 'Listed in zen.example'],
  ['date', 'Missing header - Date:'],
] as const;

const words = 'invoice offer parcel account urgent update your payment reminder meeting win loan crypto watch'.split(
  ' ',
);

export function fill({ root, mails, days, domains, now = new Date() }: Filling): void {
  const roll = dice(7);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(roll() * from.length)] as T;
  for (let day = 0; day < days; day++) {
    const start = new Date(now.getFullYear(), now.getMonth(), now.getDate() - day).getTime();
    const end = day === 0 ? now.getTime() : start + 86_400_000;
    const perDay = Math.floor(mails / days);
    const lines = new Map<string, Buffer[]>();
    for (let i = 0; i < perDay; i++) {
      const time = new Date(start + ((end - start) * (i + roll())) / perDay);
      // A few domains get most of the mail.
      const domain = `domain${Math.floor(domains * roll() ** 2)}.example`;
      const id = `B${day.toString(36)}X${i.toString(36).padStart(6, '0')}${Math.floor(roll() * 46656).toString(36)}`;
      const [plugin, reason] = pick(reasons);
      const number = Math.floor(roll() * 1e6);
      const line = indexLine({
        time: rfc3339(time),
        from: `${pick(words)}${number}@sender${number % 5000}.example`,
        recipient: `user${Math.floor(roll() * 200)}@${domain}`,
        subject: `${pick(words)} ${pick(words)} ${pick(words)} ${number}`,
        filename: mailName(time, id.toUpperCase(), 1, 'mx.example.com'),
        ip: `${1 + (number % 220)}.${number % 250}.${Math.floor(roll() * 250)}.${Math.floor(roll() * 250)}`,
        host: `host-${number}.pool.provider${number % 50}.example`,
        helo: `mail${number % 3000}.provider${number % 50}.example`,
        reason,
        plugin,
        messageId: `<${number}.${id}@provider${number % 50}.example>`,
        size: 1000 + Math.floor(roll() ** 6 * 5_000_000),
        spf: plugin === 'spf' ? 'fail' : pick(['none', 'pass', 'softfail', 'neutral']),
      });
      const known = lines.get(domain);
      if (known) known.push(line);
      else lines.set(domain, [line]);
    }
    for (const [domain, all] of lines) writeDay(path.join(root, String(ydayOf(new Date(start))), domain), all, end);
  }
}

function writeDay(folder: string, lines: readonly Buffer[], end: number): void {
  for (const dir of ['tmp', 'new', 'cur']) fs.mkdirSync(path.join(folder, dir), { recursive: true });
  const index = path.join(folder, 'index');
  fs.writeFileSync(index, Buffer.concat(lines));
  fs.utimesSync(index, end / 1000, end / 1000);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { mails: { type: 'string' }, days: { type: 'string' }, domains: { type: 'string' } },
  });
  const root = positionals[0];
  if (root === undefined) throw new Error('say where: quarantine-fill FOLDER');
  const number = (text: string | undefined, usual: number): number => (text === undefined ? usual : Number(text));
  const [mails, days, domains] = [
    number(values.mails, 1_000_000),
    number(values.days, 30),
    number(values.domains, 1_000),
  ];
  fill({ root, mails, days, domains });
  process.stdout.write(`${mails} mails of ${days} days and ${domains} domains in ${root}\n`);
}
