/** `postern test` says of a mail what the MX does with it, and leaves no trace. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Mx, message } from '../support/mx.js';
import { posternProcess as postern, type Ran } from './support/postern-command.js';

let mx: Mx;
before(async () => {
  mx = await Mx.start({
    markers: [
      'example.com/users/valid/alice',
      'example.com/users/valid/bob',
      'example.com/checks/date',
      'example.com/checks/helo=log',
      'example.com/checks/greylisting',
      'example.com/blacklisted/senders/bad@sender.example',
      'example.com/whitelisted/senders/friend@sender.example',
    ],
    // What the MX itself has still to write would look like a trace of the command.
    settings: ['xclient_networks=loopback', 'journal=0'],
    zone: { 'sender.example': { TXT: [['v=spf1 -all']] } },
  });
  mx.remove('example.com/checks/greylisting');
});
after(() => mx.close());

const settings = (): string[] => {
  const { srv, spam, state, relay, dns_zone, hostname, plugins } = mx.listener.services.settings;
  return Object.entries({ srv, spam, state, relay: relay.text, dns_zone, hostname, plugins }).map(
    ([name, text]) => `--${name}=${text}`,
  );
};

/** Every file below the MX's folder, with its octets. */
const everything = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(mx.root, { recursive: true, encoding: 'utf8', withFileTypes: true }).map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path, entry.isFile() ? readFileSync(path, 'latin1') : 'folder'];
    }),
  );

interface Case {
  readonly from?: string;
  readonly to?: string;
  readonly helo?: string;
  readonly ip?: string;
  readonly message?: string;
}

async function tried(
  {
    from = 'a@sender.example',
    to = 'alice@example.com',
    helo = 'mail.sender.example',
    ip = '192.0.2.1',
    ...mail
  }: Case,
  ...more: readonly string[]
): Promise<Ran> {
  const words = [
    'test',
    ...settings(),
    '--message=-',
    `--ip=${ip}`,
    `--helo=${helo}`,
    `--from=${from}`,
    `--to=${to}`,
    ...more,
  ];
  const untouched = everything();
  const ran = await postern(words, { input: mail.message ?? message() });
  assert.deepEqual(everything(), untouched);
  return ran;
}

const undated = message({ without: ['date'] });

/** [what, the mail, how the reply begins, disposition] */
const table: readonly (readonly [what: string, mail: Case, reply: string, disposition: string])[] = [
  ['a good mail', {}, '250', 'handed over'],
  ['a mail without a Date:', { message: undated }, '550 5.7.1 Missing header - Date: (ID)', 'archived'],
  ['to nobody', { to: 'nobody@example.com' }, '550 5.1.1 No such user (ID)', 'archived'],
  ['to a domain that is not hosted', { to: 'alice@elsewhere.example' }, '550 5.7.1 Relaying denied', 'refused'],
  ['from a blacklisted sender', { from: 'bad@sender.example' }, '550 5.7.1 Blacklisted (ID)', 'archived'],
  ['whitelisted and without a Date:', { from: 'friend@sender.example', message: undated }, '250', 'handed over'],
  ['a bad HELO where that is only logged', { helo: 'my_laptop' }, '250', 'handed over'],
  ['the null reverse-path', { from: '' }, '250', 'handed over'],
];
for (const [what, mail, reply, disposition] of table) {
  test(`${what}: as the MX`, async () => {
    const { code, stdout, stderr } = await tried(mail, '--json');
    assert.equal(code, 0, stderr);
    const answer = JSON.parse(stdout) as { reply: string; disposition: string };
    assert.equal(answer.disposition, disposition);
    assert.ok(answer.reply.startsWith(reply), answer.reply);
    const { to, ...rest } = mail;
    const real = await mx.send({
      helo: 'mail.sender.example',
      ...rest,
      from: mail.from ?? 'a@sender.example',
      ...(to !== undefined && { to }),
      xclient: 'ADDR=192.0.2.1',
    });
    assert.equal(real.slice(0, 9), answer.reply.slice(0, 9));
  });
}

test('the table says of each plugin what it thinks', async () => {
  const { stdout } = await tried({ message: undated, helo: 'my_laptop' });
  const row = (plugin: string): string => stdout.split('\n').find((line) => line.startsWith(`${plugin} `)) ?? '';
  assert.match(row('plugin'), /^plugin +hook +verdict +ms +reason$/);
  assert.match(row('valid_users'), /^valid_users +rcpt +pass +\d+\.\d$/);
  assert.match(row('helo'), /^helo +dataPost +note +\d+\.\d  log only, would reject: .*underscore/);
  assert.match(row('date'), /^date +dataPost +reject +\d+\.\d  Missing header - Date:$/);
  assert.equal(row('mailman'), '');
  assert.match(stdout, /^would be rejected and archived below .* for alice@example\.com:  550 5\.7\.1 Missing/m);
  assert.match(
    (await tried({ message: undated }, '--all')).stdout,
    /^mailman +dataPost +skip +\d+\.\d  rejected already$/m,
  );
});

test('what greylisting remembers is read, and nothing is added', async () => {
  mx.touch('example.com/checks/greylisting');
  const greylisted = /^would be deferred, the sender keeps it:  450 4\.7\.1 Greylisted/m;
  for (let i = 0; i < 2; i++) assert.match((await tried({ to: 'bob@example.com' })).stdout, greylisted);
  mx.remove('example.com/checks/greylisting');
});

test('hostile octets of a mail reach no terminal', async () => {
  const { stdout } = await tried({
    from: '"\u202e"@sender.example',
    helo: '\u009b31m_',
    message: `X-Mailer: \u001b[2J\r\n${undated}`,
  });
  assert.doesNotMatch(stdout, /[^\P{C}\n]/u);
});

test('a mail in the quarantine is judged anew, as it came', async () => {
  const odd = message({
    without: ['date'],
    fields: [' folded without a beginning', 'X-HELO: forged'],
    body: 'a\r\n..\r\nb\xe9',
  });
  const reply = await mx.send({
    message: odd,
    xclient: 'ADDR=192.0.2.77',
    helo: 'Mail.Sender.example',
    from: 'Real@sender.example',
  });
  const id = /\(([0-9A-Z]{14})\)/.exec(reply)?.[1] ?? '';
  const untouched = everything();
  const replay = async (...more: readonly string[]): Promise<Ran> =>
    postern(['test', ...settings(), `--replay=${id}`, ...more]);
  assert.match((await replay()).stdout, /550 5\.7\.1 Missing header - Date: \(ID\)\nend of data, from 192\.0\.2\.77/);
  mx.touch('example.com/blacklisted/ips/192.0.2.77');
  mx.touch('example.com/whitelisted/senders/real@sender.example');
  const { stdout } = await replay('--all');
  assert.match(
    stdout,
    /^whitelist +rcpt +pardon .*whitelisted: example\.com\/whitelisted\/senders\/real@sender\.example$/m,
  );
  assert.match(stdout, /^would be handed to the local MTA for alice@example\.com:/m);
  mx.remove('example.com/whitelisted/senders/real@sender.example');
  mx.remove('example.com/checks/date');
  assert.match((await replay()).stdout, /550 5\.7\.1 Blacklisted/);
  assert.match((await replay('--ip=192.0.2.78')).stdout, /^would be handed to the local MTA/m);
  mx.remove('example.com/blacklisted/ips/192.0.2.77');
  mx.touch('example.com/checks/date');
  const kept = (files: Record<string, string>): string[][] =>
    Object.entries(files).filter(([path]) => !path.includes('/srv/'));
  assert.deepEqual(kept(everything()), kept(untouched));
});

/** [words, exit code, complaint] */
const wrong: readonly (readonly [words: readonly string[], code: number, complaint: RegExp])[] = [
  [[], 64, /say either --message=FILE or --replay=MAIL/],
  [['--message=-', '--replay=X'], 64, /say either/],
  [['--message=-', '--from=a@b.example', '--to=a@example.com'], 64, /--ip is missing/],
  [['--message=-', '--ip=1.2.3', '--from=', '--to=a@example.com'], 64, /--ip=1\.2\.3 is no address/],
  [['--message=-', '--ip=192.0.2.1', '--to=a@example.com'], 64, /--from is missing/],
  [['--message=-', '--ip=192.0.2.1', '--from='], 64, /--to is missing/],
  [['--message=/absent', '--ip=192.0.2.1', '--from=', '--to=a@b.example'], 66, /\/absent cannot be read \(ENOENT\)/],
  [['--replay=6AD976HBEEVN63'], 66, /there is no mail 6AD976HBEEVN63/],
  [['--mesage=-'], 64, /did you mean --message/],
];
for (const [words, code, complaint] of wrong) {
  test(`postern test ${words.join(' ')} ends with ${code}`, async () => {
    const ran = await postern(['test', ...settings(), ...words]);
    assert.equal(ran.code, code);
    assert.match(ran.stderr, complaint);
  });
}

test('a file with the line ends of a system is a mail', async () => {
  const file = join(mx.root, 'mail.eml');
  writeFileSync(file, undated.replaceAll('\r\n', '\n'));
  const ran = await postern([
    'test',
    ...settings(),
    `--message=${file}`,
    '--ip',
    '192.0.2.1',
    '--from',
    'a@sender.example',
    '--to',
    'alice@example.com,bob@example.com',
  ]);
  assert.match(ran.stdout, /for alice@example\.com, bob@example\.com:  550 5\.7\.1 Missing header/);
});
