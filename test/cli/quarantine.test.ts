/** `postern quarantine` as a user runs it: what it prints, how it ends, and what never reaches the terminal. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { newId } from '../../src/smtp/transaction-id.js';
import { startSink } from '../../src/trial/sink.js';
import { folderFor, relayed, writerIn } from '../journal/support.js';
import { inherited } from '../support/environment.js';
import { needPeer } from '../support/peers.js';
import { until } from '../support/until.js';
import { about, day, folderOf, namesIn, oldFolder, quarantineIn, request, spamFolder } from '../quarantine/support.js';
import { postern } from './support/postern-command.js';

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(root: string, words: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const ran = await postern(['quarantine', ...words, `--spam=${root}`], { env: { NO_COLOR: '1', ...env } });
  return { code: ran.code, out: ran.stdout, err: ran.stderr };
}

interface KeptMail extends Pick<typeof about, 'subject' | 'from' | 'headerFrom' | 'plugin' | 'reason' | 'reply'> {
  readonly text: string;
  readonly fields: string;
}

/** A mail with that ID. */
async function keep(
  root: string,
  id: string,
  {
    subject = 'hello',
    text = '',
    from = 'a@example.net',
    headerFrom = from,
    fields = '',
    ...known
  }: Partial<KeptMail> = {},
): Promise<void> {
  const head = Buffer.from(
    `${fields}X-MAIL-FROM: ${from}\r\nX-REJECT-REASON: No such user\r\nX-REJECT-PLUGIN: valid_users\r\n`,
  );
  const result = await quarantineIn(root).archive(
    request({
      id,
      text: text === '' ? `Subject: ${subject}\r\n\r\nbody\r\n` : text,
      copies: [{ recipient: 'foo@example.com', head }],
      about: { ...about, subject, from, headerFrom, ...known },
    }),
  );
  assert.equal(result.kind, 'archived');
}

/** What `show` writes on a terminal, which script(1) makes. */
function shownOnTerminal(root: string, words: string, pager: string): string {
  const main = path.join(packageRoot, 'dist/src/main.js');
  const command = `'${process.execPath}' '${main}' quarantine show ${words} '--spam=${root}'`;
  const env = { ...inherited(), NO_COLOR: '1', PAGER: pager };
  return spawnSync('script', ['-qec', command, '/dev/null'], { env, encoding: 'utf8' }).stdout;
}

test('on a terminal show goes through $PAGER, but not with --pager=no', async (t) => {
  if (!needPeer(t, 'script')) return;
  const root = spamFolder(t);
  await keep(root, 'PAGED');
  const pager = 'sed s/^/paged:/';
  assert.match(shownOnTerminal(root, 'PAGED', pager), /^paged:.*No such user/m);
  const unpaged = shownOnTerminal(root, 'PAGED --pager=no', pager);
  assert.match(unpaged, /No such user/);
  assert.doesNotMatch(unpaged, /paged:/);
});

test('show goes on without a pager that is not there', async (t) => {
  if (!needPeer(t, 'script')) return;
  const root = spamFolder(t);
  await keep(root, 'PAGED');
  assert.match(shownOnTerminal(root, 'PAGED', 'no-such-pager'), /No such user/);
});

test('show tells SPF term by term, as it was archived, before the mail', async (t) => {
  const root = spamFolder(t);
  const trace = 'X-SPF-TRACE: example.net  v=spf1 a -all\r\n\t|- a  no match\r\n\t`- -all  match -> fail\r\n';
  await keep(root, 'SPF', { text: 'Subject: x\r\n\r\nbody\r\n', fields: trace });
  const { code, out } = await run(root, ['show', 'SPF']);
  assert.equal(code, 0);
  assert.match(out, /\n {4}example\.net {2}v=spf1 a -all\n {4}\|- a {2}no match\n {4}`- -all {2}match -> fail\n/);
  assert.ok(out.indexOf('match -> fail') < out.indexOf('Subject: x'));
  assert.doesNotMatch(out, /X-SPF-TRACE/);
});

test('list prints tabs to a pipe, newest first, and JSON where it is asked to', async (t) => {
  const root = spamFolder(t);
  await keep(root, 'ONE', { subject: 'first\tone' });
  await keep(root, 'TWO', { subject: 'second', from: '', headerFrom: 'Bank <b@bank.example>' });
  const { code, out } = await run(root, ['list']);
  assert.equal(code, 0);
  assert.deepEqual(
    out
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t').slice(1)),
    [
      ['TWO', 'valid_users', 'Bank <b@bank.example> (envelope <>)', 'foo@example.com', '192.0.2.1', '', 'second'],
      ['ONE', 'valid_users', 'a@example.net', 'foo@example.com', '192.0.2.1', '', 'first one'],
    ],
  );
  const [first] = (await run(root, ['list', '--json', '-subject:second'])).out.split('\n');
  const json = JSON.parse(first ?? '') as Record<string, unknown>;
  assert.deepEqual([json['id'], json['subject'], json['domain']], ['ONE', 'first\tone', 'example.com']);
  const [second] = (await run(root, ['list', '--json', 'header-from:bank'])).out.split('\n');
  assert.deepEqual(
    Object.entries(JSON.parse(second ?? '') as object).filter(([key]) => /from/i.test(key)),
    [
      ['from', ''],
      ['header_from', 'Bank <b@bank.example>'],
    ],
  );
});

const misuses: readonly [what: string, words: readonly string[], code: number, says: RegExp][] = [
  ['nothing found', ['list', 'zebra'], 1, /nothing found/],
  ['a key that does not exist', ['list', 'form:anna'], 64, /no key form:/],
  ['a subcommand that does not exist', ['lst'], 64, /did you mean list\?/],
  ['an option that does not exist', ['list', '--limt=3'], 64, /did you mean --limit/],
  ['a limit that is none', ['list', '--limit=x'], 64, /--limit needs a number/],
  ['a mail that does not exist', ['show', 'NOSUCHMAIL'], 1, /no mail NOSUCHMAIL/],
  ['a path out of the quarantine', ['show', '../../etc/passwd'], 1, /no mail/],
  ['nothing named', ['release'], 64, /name mails/],
  ['names and a search', ['delete', 'ONE', '--search=x'], 64, /not both/],
  ['a folder that is none', ['check', '../x'], 64, /must be YDAY\/DOMAIN/],
  ['a shell that is unknown', ['completion', 'tcsh'], 64, /bash, zsh or fish/],
];

for (const [what, words, code, says] of misuses) {
  test(`${what} is told, and ends with ${code}`, async (t) => {
    const ended = await run(spamFolder(t), words);
    assert.equal(ended.code, code);
    assert.match(ended.err, says);
    assert.equal(ended.out, '');
  });
}

test('show says first why it was refused', async (t) => {
  const root = spamFolder(t);
  await keep(root, 'ONE');
  const { code, out } = await run(root, ['show', 'one']);
  assert.equal(code, 0);
  assert.match(out, /^Refused by valid_users: No such user\n  SMTP reply +550 5\.1\.1 No such user \(ID\)\n/);
  assert.match(out, /<a@example\.net> to <foo@example\.com>[^]*subject: hello[^]*\n\nbody\n/i);
});

test('show names the marker that did it, where the journal has it still', async (t) => {
  const root = spamFolder(t);
  const journal = folderFor(t);
  const blacklisted = { plugin: 'blacklist', reason: 'Blacklisted' };
  const marker = 'example.com/blacklisted/ips/127.0.0.1';
  const id = newId();
  await keep(root, id, blacklisted);
  const show = (): Promise<Ended> => run(root, ['show', id, `--state=${path.dirname(journal)}`]);
  assert.match((await show()).out, /^Refused by blacklist: Blacklisted\n {2}SMTP reply /);
  const writer = writerIn(journal);
  const time = new Date().toISOString();
  writer.write({ ...relayed, ...blacklisted, time, id, verdict: 'rejected', reason: marker, filename: `1.${id}.mx` });
  writer.close();
  const { out, code } = await show();
  assert.equal(code, 0);
  assert.match(out, /^Refused by blacklist: Blacklisted\n {2}why {8}example\.com\/blacklisted\/ips\/127\.0\.0\.1\n/);
});

const replies: readonly [what: string, change: (line: string) => string, shown: string][] = [
  ['the reply that was said, whatever the plugin', (line) => line, '550 5.7.27 Sender has no mail server (ONE)'],
  [
    'what is known where a line has no reply, and no code that nobody knows',
    (line) => line.replace(/,"reply":"[^"]*"/, ''),
    '550 No MX (ONE)',
  ],
  [
    'what a forged reply would do to a terminal as harmless text',
    (line) => line.replace('5.7.27', '\\u001b[2J\\u202e'),
    '550 ?[2J[U+202E] Sender has no mail server (ONE)',
  ],
];

for (const [what, change, shown] of replies) {
  test(`show says ${what}`, async (t) => {
    const root = spamFolder(t);
    await keep(root, 'ONE', {
      plugin: 'valid_users',
      reason: 'No MX',
      reply: '550 5.7.27 Sender has no mail server (ONE)',
    });
    const index = path.join(folderOf(root), 'index');
    fs.writeFileSync(index, change(fs.readFileSync(index, 'utf8')));
    const { out } = await run(root, ['show', 'ONE']);
    assert.equal(/SMTP reply +(.*)/.exec(out)?.[1], shown);
  });
}

const evil = '\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\x08';

test('nothing in a mail moves the terminal’s cursor, in any command', async (t) => {
  const root = spamFolder(t);
  const text = Buffer.from(
    `Subject: x${evil}\r\nX-A${evil}: ${evil}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${evil}\r\n--b\r\nContent-Disposition: attachment; filename="${evil}"\r\n\r\nx\r\n--b--\r\n`,
  ).toString('latin1');
  await keep(root, 'EVIL', { subject: `x${evil}`, from: `"${evil}"@example.net`, text });
  for (const words of [
    ['list'],
    ['list', '--json'],
    ['show', 'EVIL'],
    ['show', 'EVIL', '--json'],
    ['stats'],
    ['delete', 'EVIL'],
  ]) {
    const { out, err } = await run(root, words);
    assert.ok(out.length > 10, words.join(' '));
    assert.doesNotMatch(out + err, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/, words.join(' '));
  }
});

/** What the command writes to a terminal of its own, 100 columns wide. */
function onTerminal(root: string, words: readonly string[], env: Record<string, string> = {}): string {
  const main = path.join(packageRoot, 'dist/src/main.js');
  const command = [process.execPath, main, 'quarantine', ...words, `--spam=${root}`]
    .map((word) => `'${word}'`)
    .join(' ');
  const { status, stdout } = spawnSync('script', ['-qec', `stty cols 100 rows 40; ${command}`, '/dev/null'], {
    env: { ...inherited(), TERM: 'xterm', LC_ALL: 'C.UTF-8', ...env },
    encoding: 'utf8',
    timeout: 30_000,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.equal(status, 0, stdout);
  return stdout;
}

/** Colours and weights, the only sequences we write; and what less writes besides. */
const ours = /\x1b\[\d{1,2}m/g;
const ofLess = /\x1b(?:\[m|\[K|\[\?1[hl]|[=>])/g;
const foreign = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]/;

test('on a terminal list is a table in colours that fits it, show goes through the pager, and no mail has a say in it', async (t) => {
  if (!needPeer(t, 'script', 'less')) return;
  const root = spamFolder(t);
  const text = Buffer.from(`Subject: x${evil}\r\n\r\n${evil}\r\n`).toString('latin1');
  await keep(root, 'EVIL', { subject: `${evil}${'long '.repeat(60)}`, from: `"${evil}"@example.net`, text });
  const list = onTerminal(root, ['list']);
  assert.match(list, ours);
  const lines = list.replace(ours, '').split('\r\n');
  assert.ok(lines.some((line) => line.includes('EVIL')) && lines.every((line) => line.length <= 100), list);
  const paged = path.join(root, 'paged');
  const show = onTerminal(root, ['show', 'EVIL'], { PAGER: `tee ${paged}` });
  const piped = fs.readFileSync(paged, 'utf8');
  assert.match(piped, /^(?:\x1b\[\d+m)*Refused by /);
  for (const written of [list, show, piped, onTerminal(root, ['show', 'EVIL'], { PAGER: '' })]) {
    assert.match(written, /EVIL/);
    assert.doesNotMatch(written.replace(ours, '').replace(ofLess, ''), foreign);
  }
});

test('show --raw gives a pipe the octets as they are', async (t) => {
  const root = spamFolder(t);
  await keep(root, 'RAW', { text: 'Subject: x\r\n\r\n\x1b[2J\r\n' });
  const { code, out } = await run(root, ['show', 'RAW', '--raw']);
  assert.equal(code, 0);
  assert.match(out, /^Recipient: foo@example\.com\r\n[^]*\r\n\r\n\x1b\[2J\r\n$/);
});

async function sinkFor(t: TestContext, root: string): Promise<{ relay: string; dir: string }> {
  const dir = path.join(root, '.sink');
  const sink = await startSink({ host: '127.0.0.1', port: 0, dir, log: () => {} });
  t.after(() => sink.close());
  return { relay: `--relay=127.0.0.1:${sink.port}`, dir };
}

test('release hands the mail over once; a second time needs --again; list shows it', async (t) => {
  const root = spamFolder(t);
  const { relay, dir } = await sinkFor(t, root);
  await keep(root, 'ONE');
  const released = await run(root, ['release', 'ONE', relay]);
  assert.deepEqual([released.code, released.err], [0, '']);
  assert.match(released.out, /^released +ONE +a@example\.net → foo@example\.com +.*queued as/);
  const second = await run(root, ['release', 'ONE', relay]);
  assert.equal(second.code, 1);
  assert.match(second.out, /^already .*--again sends it again/);
  assert.equal((await run(root, ['release', 'ONE', '--again', '--attachment', relay])).code, 0);
  assert.equal(namesIn(dir, 'new').length, 2);
  assert.match((await run(root, ['list', 'is:released'])).out, /\treleased\thello\n$/);
});

test('an MTA that is down is 69, and says so for each mail', async (t) => {
  const root = spamFolder(t);
  await keep(root, 'ONE');
  const { code, out } = await run(root, ['release', '--search=subject:hello', '--relay=127.0.0.1:9', '--json']);
  assert.equal(code, 69);
  const { id, result } = JSON.parse(out) as Record<string, unknown>;
  assert.deepEqual([id, result], ['ONE', 'unreachable']);
});

test('delete takes what a search finds, and nothing else', async (t) => {
  const root = spamFolder(t);
  for (const id of ['ONE', 'TWO', 'THREE']) await keep(root, id, { subject: id === 'TWO' ? 'stays' : 'goes' });
  const { code, out } = await run(root, ['delete', '--search=subject:goes']);
  assert.equal(code, 0);
  assert.equal(out.match(/^deleted/gm)?.length, 2);
  const names = namesIn(folderOf(root), 'new');
  assert.ok(names.length === 1 && names[0]?.includes('TWO'), names.join(' '));
  assert.match((await run(root, ['list'])).out, /^[^\n]*stays\n$/);
});

test('check gives a mail without a line its line back, and expire takes what is too old', async (t) => {
  const root = spamFolder(t);
  await keep(root, 'ONE');
  const folder = folderOf(root);
  fs.rmSync(path.join(folder, 'index'));
  const [name = ''] = namesIn(folder, 'new');
  const past = new Date(Date.now() - 3_600_000);
  fs.utimesSync(path.join(folder, 'new', name), past, past);
  const checked = await run(root, ['check', '--json']);
  assert.equal(checked.code, 0);
  assert.deepEqual(JSON.parse(checked.out.trimEnd().split('\n').at(-1) ?? ''), {
    folders: 1,
    rebuilt: 1,
    orphans: 1,
    missing: 0,
    finished: 0,
    foreign: 0,
    shipped: 0,
  });
  assert.match((await run(root, ['list'])).out, /\tONE\t/);
  const old = oldFolder(root, new Date(Date.now() - 40 * day));
  const expired = await run(root, ['expire']);
  assert.deepEqual([expired.code, fs.existsSync(old)], [0, false]);
  assert.match(expired.out, /^removed \d+\/example\.com\n$/);
});

test('a domain’s own file says how long its mail is kept; one that makes no sense keeps it, and is told', async (t) => {
  const root = spamFolder(t);
  const srv = spamFolder(t);
  const ages = { 'short.example': 'expire = 10d', 'long.example': 'expire = 90d', 'typo.example': 'expire = 1od' };
  for (const [domain, text] of Object.entries(ages)) {
    fs.mkdirSync(path.join(srv, domain));
    fs.writeFileSync(path.join(srv, domain, 'expire'), `${text}\n`);
    oldFolder(root, new Date(Date.now() - 40 * day), { domain });
    oldFolder(root, new Date(Date.now() - 20 * day), { domain });
  }
  const { code, out, err } = await run(root, ['expire', `--srv=${srv}`]);
  assert.match(out, /^(?:removed \d+\/short\.example\n){2}$/);
  assert.match(err, /typo\.example\/expire: expire must be 0, or a duration/);
  assert.equal(code, 74);
});

test('stats count', async (t) => {
  const root = spamFolder(t);
  await keep(root, 'ONE');
  await keep(root, 'TWO');
  const { code, out } = await run(root, ['stats', '--json']);
  const { total, plugins } = JSON.parse(out) as { total: number; plugins: unknown };
  assert.deepEqual([code, total, plugins], [0, 2, [{ name: 'valid_users', count: 2 }]]);
});

/** Types into an interactive shell on a terminal of its own, which has read our completion. */
async function typed(t: TestContext, shell: 'bash' | 'zsh', keys: string, expected: string): Promise<void> {
  const home = spamFolder(t);
  const { code, out } = await run(home, ['completion', shell]);
  assert.equal(code, 0);
  fs.writeFileSync(path.join(home, '.bashrc'), `${out}PS1='> '\n`);
  fs.writeFileSync(path.join(home, '.zshrc'), `autoload -U compinit && compinit -u\n${out}PS1='> '\n`);
  const child = spawn('script', ['-qec', `${shell} -i`, '/dev/null'], {
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      ZDOTDIR: home,
      TERM: 'dumb',
      LC_ALL: 'C.UTF-8',
      HISTFILE: '/dev/null',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  let screen = '';
  child.stdout.on('data', (part: Buffer) => (screen += part.toString()));
  await until(() => screen.includes('> '), `${shell} asks for a command`);
  child.stdin.write(keys);
  await until(() => screen.includes(expected), `${JSON.stringify(expected)} stands on the screen: ${screen}`);
}

const completed: readonly (readonly [keys: string, expected: string])[] = [
  ['postern quar\t', 'postern quarantine'],
  ['postern quarantine rel\t', 'postern quarantine release'],
  ['postern quarantine list --js\t', 'postern quarantine list --json'],
  ['postern quarantine list subj\t', 'postern quarantine list subject:'],
  ['postern spf ch\t', 'postern spf check'],
  ['postern spf check --expl\t', 'postern spf check --explain'],
  ['postern audit --js\t', 'postern audit --json'],
];

for (const shell of ['bash', 'zsh'] as const)
  for (const [keys, expected] of completed)
    test(`${shell} completes ${JSON.stringify(keys)}`, { timeout: 60_000 }, async (t) => {
      if (!needPeer(t, shell, 'script')) return;
      await typed(t, shell, keys, expected);
    });

/** [what is typed, one of the words that fish offers] */
const offered: readonly (readonly [line: string, word: string])[] = [
  ['postern quar', 'quarantine'],
  ['postern quarantine rel', 'release'],
  ['postern quarantine list --js', '--json'],
  ['postern srv dis', 'disable'],
  ['postern audit --js', '--json'],
  ['postern check-config --co', '--config'],
];
test('fish offers commands, what stands second, and options', { timeout: 60_000 }, async (t) => {
  if (!needPeer(t, 'fish')) return;
  const home = spamFolder(t);
  const { code, out } = await run(home, ['completion', 'fish']);
  assert.equal(code, 0);
  fs.writeFileSync(path.join(home, 'rules.fish'), out);
  for (const [line, word] of offered) {
    const asked = spawnSync(
      'fish',
      ['-c', 'source $argv[1]; complete -C $argv[2]', path.join(home, 'rules.fish'), line],
      {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: home, LC_ALL: 'C.UTF-8' },
      },
    );
    assert.equal(asked.stderr, '');
    assert.deepEqual(asked.stdout.split('\n')[0]?.split('\t')[0], word, line);
  }
});

test('every command there is can be completed', async (t) => {
  const { out } = await run(spamFolder(t), ['completion', 'bash']);
  const [, listed = ''] = /words='(serve [^']*)'/.exec(out) ?? [];
  const help = spawnSync(process.execPath, [path.join(packageRoot, 'dist/src/main.js'), '--help'], {
    encoding: 'utf8',
  });
  const [, commands = ''] = /^commands\n((?: {2}.*\n)+)/m.exec(help.stdout) ?? [];
  assert.deepEqual(listed.split(' '), commands.match(/(?<=^ {2})[\w-]+/gm));
});

test('a host that has never served has no name in the catalog, and says what makes one', async () => {
  const given = ['--catalog=postgresql://postern@127.0.0.1:1/postern', '--state=/proc/nowhere/state'];
  const { code, stderr } = await postern(['quarantine', 'list', ...given]);
  assert.deepEqual([code, stderr], [74, 'postern: state: /proc/nowhere/state is not there; postern serve makes it\n']);
});
