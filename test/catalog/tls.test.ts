/** Beyond loopback the catalog is asked by TLS alone, and only under its own name and by a CA that is known. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { databaseAt } from '../../src/catalog/open.js';
import { SourceDown } from '../../src/quarantine/kept-mails.js';
import { makeCertificate } from '../support/certificate.js';
import { needPeer } from '../support/peers.js';
import { password, Postgres } from '../support/postgres.js';

test('a certificate of another name or CA is refused, and so is a server without TLS', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const server = await Postgres.start();
  t.after(() => server.end());
  const [own, other] = [makeCertificate('localhost', { alsoFor: [] }), makeCertificate('localhost', { alsoFor: [] })];
  const [ownCa, otherCa] = [join(server.folder, 'own.pem'), join(server.folder, 'other.pem')];
  writeFileSync(ownCa, own.cert);
  writeFileSync(otherCa, other.cert);
  const ask = async (host: string, rootCert: string): Promise<string | undefined> => {
    const login = `postern:${encodeURIComponent(password)}`;
    const url = `postgresql://${login}@${host}:${server.port}/postgres?sslmode=verify-full&sslrootcert=${rootCert}`;
    const database = databaseAt(url);
    try {
      const [row] = await database.query<{ ssl: boolean }>('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
      assert.equal(row?.ssl, true);
      return undefined;
    } catch (error) {
      assert.ok(error instanceof SourceDown, String(error));
      assert.ok(!error.message.includes(password));
      return error.message;
    } finally {
      await database.close();
    }
  };
  assert.match((await ask('localhost', ownCa)) ?? '', /does not support SSL/);
  await server.useTls(own);
  assert.equal(await ask('localhost', ownCa), undefined);
  assert.match((await ask('localhost', otherCa)) ?? '', /self-signed certificate|unable to verify/i);
  assert.match((await ask('127.0.0.1', ownCa)) ?? '', /does not match/);
  assert.match((await ask('localhost', join(server.folder, 'absent.pem'))) ?? '', /ENOENT/);
});
