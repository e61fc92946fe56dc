/** `postern catalog check` finds what is missing, damaged, counted wrong or left over; nothing where all is well. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Bodies } from '../../../src/catalog/bodies/bodies.js';
import { type CatalogFinding, type CatalogChecked, checkCatalog } from '../../../src/catalog/care/check.js';
import type { Database } from '../../../src/catalog/database.js';
import { dayText } from '../../../src/catalog/mail-row.js';
import { bodiesAt, databaseAt } from '../../../src/catalog/open.js';
import { parseQuery, type Query } from '../../../src/quarantine/look/query.js';
import { postern } from '../../cli/support/postern-command.js';
import { hasPeer, needPeer } from '../../support/peers.js';
import { Postgres } from '../../support/postgres.js';
import { hasStore, needStore, Versitygw } from '../../support/versitygw.js';
import { emptyCatalog, openHost, waitFor } from '../support.js';
import { restrictedCatalog } from './restricted.js';

let server: Postgres;
let store: Versitygw | undefined;
before(async () => {
  if (!hasPeer('postgres')) return;
  server = await Postgres.start();
  if (hasStore()) store = await Versitygw.start();
});
after(async () => {
  await server?.end();
  await store?.end();
});

const ago = (days: number): Date => new Date(Date.now() - days * 86_400_000);

async function checked(
  database: Database,
  bodies: Bodies,
  since = '2000-01-01',
): Promise<CatalogChecked & { readonly findings: readonly string[] }> {
  const findings: CatalogFinding[] = [];
  const sum = await checkCatalog(database, { bodies, since, onFinding: (finding) => findings.push(finding) });
  return { ...sum, findings: findings.map(({ kind, day = '', text }) => `${kind} ${day} ${text}`) };
}

for (const [where, needs, bodiesOf] of [
  ['in the database', () => true, () => Promise.resolve(new Bodies())],
  ['in a store', needStore, () => bodiesAt(store?.url ?? '')],
] as const)
  test(`what is wrong with mails ${where} is found, each by its name`, async (t) => {
    if (!needPeer(t, 'postgres') || !needs(t)) return;
    const database = await emptyCatalog(server);
    t.after(() => database.close());
    const bodies = await bodiesOf();
    const host = openHost(t, server.url, 'mx1', bodies);
    const refuse = (days: number, name: string, more = {}): Promise<string> =>
      host.refuse({
        time: ago(days),
        text: `Subject: ${name}\r\n\r\n${name} ${'x'.repeat(name.length * 3)}\r\n`,
        ...more,
      });
    const twice = {
      copies: ['a', 'b'].map((user) => ({ recipient: `${user}@example.com`, head: Buffer.from('X: x\r\n') })),
    };
    const [good, damaged, late, gone, lineless] = [
      await refuse(5, 'good', twice),
      await refuse(5, 'damaged'),
      await refuse(5, 'late'),
      await refuse(4, 'gone'),
      await refuse(3, 'no line'),
    ];
    const [deleted, onItsWay] = [await refuse(0, 'deleted'), await refuse(0, 'on its way')];
    const shipper = host.ship();
    await waitFor(database, 'body', 8);
    const [item] = (await host.mails.page({ query: queryFor(deleted), limit: 1 })).items;
    await host.mails.discard(item?.ref ?? assert.fail(), 'anna');
    await shipper.stop();

    const well = await checked(database, bodies);
    assert.deepEqual([well.findings, well.days, well.mails, well.bodies, well.problems], [[], 4, 8, 6, 0], good);

    const octetsOf = 'sha256 = (select sha256 from body where id = $1 limit 1)';
    await database.query(
      `update octets set ${where === 'in a store' ? 'length = length - 1' : String.raw`deflated = '\x0300'`} where ${octetsOf}`,
      [damaged],
    );
    for (const id of [late, onItsWay]) await database.query('delete from body where id = $1', [id]);
    if (where === 'in a store') {
      const [{ segment } = { segment: '' }] = await database.query<{ segment: string }>(
        `select segment from octets where ${octetsOf}`,
        [gone],
      );
      store?.lose(segment);
    } else await database.query(`delete from octets where ${octetsOf}`, [gone]);
    await database.query('delete from mail where id = $1', [lineless]);
    await database.query(`update tally set mails = mails + 1 where day = $1`, [dayText(ago(4).getTime())]);
    await database.query(`insert into strange (node, line, problem) values ('x', '{"a":"\u202e"}', 'too long')`);

    const found = await checked(database, bodies);
    const day = (days: number): string => dayText(ago(days).getTime());
    const patterns = [
      `^problem ${day(5)} 1 mails have not come from mx1, which does not ship, such as ${late}_1$`,
      `^problem ${day(5)} ${damaged}_1 is damaged`,
      `^problem ${day(4)} example\\.com, .*: 1 mails, and 2 were counted`,
      where === 'in a store'
        ? `^problem ${day(4)} ${gone}_1 is in .*, which the store does not have$`
        : `^problem ${day(4)} 1 mails have lost their octets, such as ${gone}_1$`,
      `^problem ${day(3)} example\\.com, .*: 0 mails, and 1 were counted`,
      `^problem ${day(3)} 1 mails have no line, such as ${lineless}_1$`,
      `^note ${day(0)} 1 mails are on their way from mx1, such as ${onItsWay}_1$`,
      `^problem  1 lines could not be taken \\(too long\\), the last from x: `,
    ];
    assert.equal(found.findings.length, patterns.length, found.findings.join('\n'));
    for (const pattern of patterns)
      assert.ok(
        found.findings.some((text) => new RegExp(pattern).test(text)),
        `${pattern}\n${found.findings.join('\n')}`,
      );
    assert.deepEqual([found.problems, found.waiting, found.strange], [7, 1, 1]);
    const late4 = await checked(database, bodies, day(3));
    assert.ok(late4.days === 2 && !late4.findings.join().includes(day(4)), '--since');

    // The command says the same, on a terminal's safe side, and ends with 1.
    const settings = [`--catalog=${server.url}`, `--bodies=${where === 'in a store' ? (store?.url ?? '') : ''}`];
    const ran = await postern(['catalog', 'check', ...settings]);
    assert.deepEqual([ran.code, ran.stderr], [1, '']);
    assert.match(
      ran.stdout,
      /\n4 days: 7 mails, \d bodies read and right \(.*\), 1 on their way, 1 lines could not be taken, 7 problems\n$/,
    );
    assert.doesNotMatch(ran.stdout, /\u202e/);
    const json = await postern(['catalog', 'check', '--json', `--since=${day(3)}`, ...settings]);
    assert.deepEqual((JSON.parse(json.stdout.trim().split('\n').at(-1) ?? '') as CatalogChecked).days, 2, json.stderr);
    assert.equal((await postern(['catalog', 'check', '--since=yesterday', ...settings])).code, 64);
  });

function queryFor(id: string): Query {
  const parsed = parseQuery(`id:${id}`);
  return parsed.ok ? parsed.value : assert.fail(parsed.problem);
}

test('objects that no mail is in are found, but for those of today', async (t) => {
  if (!needPeer(t, 'postgres') || !needStore(t)) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const bodies = await bodiesAt(store?.url ?? '');
  const host = openHost(t, server.url, 'mx1', bodies);
  for (const days of [2, 0]) await host.refuse({ time: ago(days), text: `Subject: ${days} orphan\r\n\r\n` });
  const shipper = host.ship();
  await waitFor(database, 'body', 2);
  await shipper.stop();
  const first = await checked(database, bodies, dayText(ago(2).getTime()));
  await database.query('delete from body');
  await database.query('delete from octets');
  const { findings } = await checked(database, bodies, dayText(ago(2).getTime()));
  const orphans = (texts: readonly string[]): number =>
    texts
      .filter((text) => text.includes('objects of the store'))
      .reduce((sum, text) => sum + Number(/ (\d+) objects/.exec(text)?.[1]), 0);
  assert.equal(orphans(findings) - orphans(first.findings), 1, findings.join('\n'));
});

test('rights that are missing are named; a catalog that is away ends the check with 69', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const urls = await restrictedCatalog(server);
  const admin = databaseAt(urls.admin);
  t.after(() => admin.close());
  for (const url of [urls.host, urls.owner]) {
    const ran = await postern(['catalog', 'check', `--catalog=${url}`]);
    assert.deepEqual(ran, {
      code: 0,
      stdout: '0 days: 0 mails, 0 bodies read and right (0 B), 0 problems\n',
      stderr: '',
    });
  }
  await admin.query('revoke update (until) on fate from postern_host');
  await admin.query('revoke execute on function drop_parts(date) from postern_host');
  for (const [url, role] of [
    [urls.host, 'mx'],
    [urls.owner, 'postern_host'],
  ] as const) {
    const { code, stdout } = await postern(['catalog', 'check', `--catalog=${url}`]);
    assert.equal(code, 1);
    assert.ok(stdout.includes(`catalog: the role ${role} may not update fate.until\n`), stdout);
    assert.ok(stdout.includes(`catalog: the role ${role} may not call drop_parts(date)\n`), stdout);
  }
  const away = await postern(['catalog', 'check', '--catalog=postgresql://postern@127.0.0.1:1/postern']);
  assert.deepEqual([away.code, away.stdout], [69, '']);
});
