/** `postern srv`: what it makes counts at the MX, what it says is what the MX does. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { Mx } from '../support/mx.js';
import { postern, type Ran } from './support/postern-command.js';

let mx: Mx;
before(async () => {
  mx = await Mx.start({
    settings: ['xclient_networks=loopback'],
    zone: { '7.2.0.192.in-addr.arpa': { PTR: ['mail.bad.example'] }, 'mail.bad.example': { A: ['192.0.2.7'] } },
  });
});
after(() => mx.close());

const srv = (...words: readonly string[]): Promise<Ran> =>
  postern(['srv', ...words, `--srv=${mx.root}/srv`, `--dns_zone=${mx.root}/zone.json`]);
const has = (path: string): boolean => existsSync(join(mx.root, 'srv', path));
const bad = { xclient: 'ADDR=192.0.2.7', message: 'Subject: no date\r\n' };

test('a domain, its users, checks and lists are made, and count', async () => {
  assert.match(await mx.send({ to: 'alice@example.com' }), /^550 5\.7\.1 Relaying denied/);
  const made = await srv('add-domain', 'Example.COM', 'Alice', 'bob@example.com');
  assert.equal(made.stdout.split('\n')[1], `touch ${mx.root}/srv/example.com/users/valid/alice`);
  assert.match(await mx.send({ to: 'alice@example.com', ...bad }), /^250 /);

  await srv('enable', 'example.com', 'date', '--log');
  assert.equal(readFileSync(join(mx.root, 'srv/example.com/checks/date'), 'utf8'), 'log\n');
  assert.match(await mx.send({ to: 'alice@example.com', ...bad }), /^250 /);
  await srv('enable', 'example.com', 'date', '--score=2.5');
  assert.equal(readFileSync(join(mx.root, 'srv/example.com/checks/date'), 'utf8'), 'score 2.5\n');
  mx.touch('example.com/score=reject 8\n# both\nmark 4\n');
  const explained = (await srv('explain', 'alice@example.com')).stdout;
  assert.match(explained, /checks\/date +gives 2\.5 points$/m);
  assert.match(explained, /^check score +example\.com\/score +on: reject 8, mark 4$/m);
  mx.touch('example.com/score=reject 8,5\n');
  assert.match(
    (await srv('lint')).stdout,
    /example\.com\/score:1 {2}must be reject or mark .*; until this is mended the mail of the domain is deferred$/m,
  );
  mx.touch('example.com/checks/helo=score 2,5\n');
  const broken = (await srv('explain', 'alice@example.com')).stdout;
  assert.match(
    broken,
    /^check helo +- +all mail is deferred until it is mended: .*helo: "score 2,5" must be a number/m,
  );
  assert.match(
    broken,
    /^check score +example\.com\/score +all mail is deferred .*: "reject 8,5" must be reject or mark/m,
  );
  assert.match(broken, /^What check helo works by decides: 451 until it is mended\.$/m);
  mx.remove('example.com/checks/helo');
  mx.remove('example.com/score');
  assert.match(await mx.send({ to: 'alice@example.com', ...bad }), /^250 /);
  const { stdout: emptied } = await srv('enable', 'example.com', 'date');
  assert.match(emptied, /^: >\S+\/example\.com\/checks\/date$/m);
  const { stdout: again } = await srv('enable', 'example.com', 'date');
  assert.match(again, /^# is there already: \S+\/example\.com\/checks\/date$/m);
  assert.match(await mx.send({ to: 'alice@example.com', ...bad }), /^550 5\.7\.1 Missing header - Date:/);

  await srv('block', 'example.com', '--host', 'Mail.Bad.Example');
  assert.match(await mx.send({ xclient: 'ADDR=192.0.2.7' }), /^550 5\.7\.1 Blacklisted/);
  await srv('allow', 'example.com', '192.0.2.9/24');
  assert.ok(has('example.com/whitelisted/ips/192.0.2.0_24'));
  assert.match(await mx.send({ to: 'alice@example.com', ...bad }), /^250 /);
  await srv('block', 'example.com', 'bob', '--recipient');
  assert.match(await mx.send({ to: 'bob@example.com', ...bad }), /^550 5\.1\.1 No such user/);
  await srv('allow', 'example.com', 'bob', '--recipient');
  assert.match(await mx.send({ to: 'bob@example.com', ...bad }), /^250 /);
});

test('srv expire writes what is given, keeps the rest, and prints what would have written it', async () => {
  const file = 'example.com/expire';
  const text = (): string => readFileSync(join(mx.root, 'srv', file), 'utf8');
  const first = await srv('expire', 'Example.com', '90d');
  assert.deepEqual([first.code, text()], [0, 'expire = 90d\n'], first.stderr);
  const second = await srv('expire', 'example.com', '--size=1g');
  assert.equal(text(), 'expire = 90d\nexpire_size = 1g\n');
  mx.remove(file);
  execFileSync('sh', ['-c', second.stdout]);
  assert.equal(text(), 'expire = 90d\nexpire_size = 1g\n');
  assert.match((await srv('expire', 'example.com', '90 days')).stderr, /expire must be 0, or a duration/);
  assert.match((await srv('expire', 'example.com', '90')).stderr, /expire must be 0, or a duration .* with its unit/);
  assert.equal(text(), 'expire = 90d\nexpire_size = 1g\n');
  mx.remove(file);
});

/** [words, the marker] */
const markers: readonly (readonly [words: readonly string[], marker: string])[] = [
  [['add-domain', 'bücher.example', '--all-users'], 'xn--bcher-kva.example/users/valid/*'],
  [['block', '_global_', '2001:DB8:0::/32'], '_global_/blacklisted/ips/2001:db8::_32'],
  [['block', '_global_', '198.51.100.0_24'], '_global_/blacklisted/ips/198.51.100.0_24'],
  [['allow', '_global_', 'Anna@Partner.example'], '_global_/whitelisted/senders/anna@partner.example'],
  [['allow', '_global_', 'Partner.example'], '_global_/whitelisted/domains/partner.example'],
  [['block', '_global_', '--tld', '.PH'], '_global_/blacklisted/tld/ph'],
];
for (const [words, marker] of markers) {
  test(`srv ${words.join(' ')} makes ${marker}`, async () => {
    const ran = await srv(...words);
    assert.equal(ran.code, 0, ran.stderr);
    assert.ok(has(marker));
    assert.match((await srv(...words)).stdout, /# is there already: /);
  });
}

/** [words, exit code, complaint] */
const wrong: readonly (readonly [words: readonly string[], code: number, complaint: RegExp])[] = [
  [[], 64, /srv: say what to do: add-domain, .*; see postern srv --help\n$/],
  [['alow'], 64, /there is no "srv alow"; did you mean allow\?/],
  [['add-domain', 'not a domain'], 64, /is no domain/],
  [['add-domain', 'new.example', '../../x'], 64, /can be no user/],
  [['add-domain', 'new.example', 'a@other.example'], 64, /is of another domain/],
  [['allow', 'nowhere.example', '192.0.2.1'], 64, /is no hosted domain/],
  [['allow', '../etc', '192.0.2.1'], 64, /is no hosted domain/],
  [['allow', '_global_', '--recipient', 'bob'], 64, /of one domain, not of all/],
  [['block', '_global_', '192.0.2.0/40'], 64, /is no address, network, sender or domain/],
  [['block', '_global_', '../x@y.example/..'], 64, /is no address, network/],
  [['enable', 'example.com', 'spff'], 64, /there is no check "spff"; did you mean spf\?/],
  [['enable', 'example.com', 'dnsbl'], 64, /switched on by the file example\.com\/zones/],
  [['enable', '_global_', 'spf'], 64, /domain by domain/],
  [['enable', 'example.com', 'spf', '--score=2,5'], 64, /--score=2,5 is no number of points, such as 2\.5/],
  [['enable', 'example.com', 'spf', '--score=2', '--log'], 64, /say --log or --score, not both/],
  [['expire', 'example.com'], 64, /name a domain, and how long/],
  [['expire', '_global_', '1d'], 64, /is no hosted domain/],
  [['expire', 'new.example', '1d'], 64, /is no hosted domain/],
  [['expire', 'example.com', '--size=big'], 64, /expire_size must be/],
  [['explain', 'alice'], 64, /name one address/],
];
for (const [words, code, complaint] of wrong) {
  test(`srv ${words.join(' ')} is refused, and makes nothing`, async () => {
    const ran = words.length === 0 ? await postern(['srv']) : await srv(...words);
    assert.equal(ran.code, code);
    assert.match(ran.stderr, complaint);
    assert.equal(has('new.example'), false);
  });
}

test('explain names the markers in order, and the one that decides', async () => {
  const words = ['explain', 'alice@example.com', '--ip=192.0.2.7', '--from=x@spam.example'];
  const rows = async (): Promise<string[]> =>
    (await srv(...words)).stdout
      .trimEnd()
      .split('\n')
      .map((row) => row.replace(/ {2,}/g, ' | '));
  const first = await rows();
  assert.deepEqual(first.slice(0, 4), [
    'domain | example.com/ | hosted',
    'destination | - | 127.0.0.1:10025, by the setting relay',
    'recipient | example.com/users/valid/alice | accepted',
    'check date | example.com/checks/date | on',
  ]);
  assert.ok(
    first.includes('blacklisted host mail.bad.example | example.com/blacklisted/hosts/mail.bad.example | rejected'),
  );
  assert.equal(first.at(-1), 'example.com/whitelisted/ips/192.0.2.0_24 decides: such mail is not rejected.');
  mx.remove('example.com/whitelisted/ips/192.0.2.0_24');
  assert.match(
    (await rows()).at(-1) ?? '',
    /^example\.com\/blacklisted\/hosts\/mail\.bad\.example decides: 550 5\.7\.1 Blacklisted/,
  );
  assert.match((await srv('explain', 'nobody@example.com')).stdout, /^The recipient decides: 550 5\.1\.1/m);
  mx.touch('example.com/users/valid/*');
  const routed = await srv('explain', 'victim%x.example@example.com');
  assert.match(
    routed.stdout,
    /refused: no marker in users\/valid of just that name, and an MTA might route it elsewhere/,
  );
  mx.remove('example.com/users/valid/*');
  assert.match(
    (await srv('explain', 'bob@example.com')).stdout,
    /^example\.com\/whitelisted\/recipients\/bob decides/m,
  );
  assert.match((await srv('explain', 'a@elsewhere.example')).stdout, /not hosted: 550 5\.7\.1 Relaying denied/);
  mx.touch('example.com/relay=192.0.2.7, 192.0.2.8\nlmtp:unix:/run/lmtp # at night\n');
  assert.equal((await rows())[1], 'destination | example.com/relay | 192.0.2.7:25, 192.0.2.8:25; lmtp:unix:/run/lmtp');
  mx.touch('example.com/relay=to the left\n');
  const broken = await rows();
  assert.match(
    broken[1] ?? '',
    /^destination \| example\.com\/relay \| all mail is deferred until it is mended: .*"the" must be/,
  );
  assert.equal(broken.at(-1), 'example.com/relay decides: 451, whatever else there is.');
  mx.remove('example.com/relay');
});

test('lint: what is made by hand can be wrong, the example tree is not', async () => {
  mx.touch('example.com/users/valid/Carol');
  const ran = await srv('lint');
  assert.equal(ran.code, 65);
  assert.match(ran.stdout, /^\S+\/example\.com\/users\/valid\/Carol {2}never matches: .* as carol$/m);
  mx.touch('example.com/expire=expire = 3 weeks\n');
  assert.match(
    (await srv('lint')).stdout,
    /example\.com\/expire {2}expire must be 0, or a duration .* no mail of the domain/,
  );
  const [line = ''] = (await srv('lint', '--json')).stdout.split('\n');
  assert.deepEqual(Object.keys(JSON.parse(line) as object), ['path', 'problem']);
  const example = await postern(['srv', 'lint', `--srv=${join(packageRoot, 'srv-example')}`]);
  assert.equal(`${example.stdout}${example.code}`, `${join(packageRoot, 'srv-example')}: every marker can count\n0`);
  const empty = join(mx.root, 'empty');
  mkdirSync(empty);
  const nothing = await postern(['srv', 'lint', `--srv=${empty}`]);
  assert.equal(`${nothing.stdout}${nothing.code}`, `${empty}: hosts no domain; postern srv add-domain makes one\n0`);
});
