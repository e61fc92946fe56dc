/** The verifying milter with own domains in a real slapd: as a process, with its file beside the milter's. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MilterFolder, startMilter } from '../cli/support/milter-child.js';
import { MilterClient } from '../milter/verify-sender/client.js';
import { needPeer } from '../support/peers.js';
import { base, reader, Slapd } from '../support/slapd.js';

test('own domains are known from slapd, also after a reload', async (t) => {
  if (!needPeer(t, 'slapd', 'openssl')) return;
  const slapd = await Slapd.start({ domains: ['fail.test'], closed: true });
  const folder = new MilterFolder();
  const own = join(folder.path, 'own.ldap');
  const lines = [`uri = ${slapd.uri}`, 'start_tls = yes', `ca_file = ${slapd.caFile}`, `base = ${base}`];
  const rest = ['filter = (associatedDomain=%d)', `bind_dn = ${reader.dn}`, `bind_password = ${reader.password}`];
  writeFileSync(own, [...lines, ...rest].join('\n'));
  folder.configure('reject_results =');
  const child = await startMilter(folder);
  const marks = async (): Promise<readonly string[]> => {
    const client = await MilterClient.open(folder.socket);
    await client.connect('203.0.113.9');
    await client.helo('client.test');
    await client.mail('a@fail.test');
    await client.rcpt('u@rcpt.test');
    await client.data();
    const { edits } = await client.message();
    client.quit();
    return edits.filter((edit) => edit.includes('X-SPF-Own-Domain'));
  };
  try {
    assert.deepEqual(await marks(), []);
    folder.configure(`reject_results =\nown_domains_ldap = ${own}`);
    child.kill('SIGHUP');
    await child.line(/configuration reloaded/);
    assert.deepEqual(await marks(), ['insert X-SPF-Own-Domain: fail.test fail']);
    await child.line(
      /^own domain: its record does not permit this client ip=203\.0\.113\.9 from=a@fail\.test domain=fail\.test result=fail$/m,
    );
    assert.doesNotMatch(child.stderr, /ëad-ör/);
  } finally {
    await child.stop();
    await slapd.close();
    folder.remove();
  }
});
