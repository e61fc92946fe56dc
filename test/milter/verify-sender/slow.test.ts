/** DNS that takes its time, longer than an MTA waits, or answers when the MTA has gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DnsAnswer, LookupOptions, RecordData, RecordType, Resolver } from '../../../src/dns/resolver.js';
import { type Bench, openBench, zone } from './bench.js';
import { until } from '../../support/until.js';
import { MilterClient } from './client.js';

/** Answers what the zone knows, for names of one domain only when it is told to. */
class HeldResolver implements Resolver {
  readonly #domain: string;
  #release: () => void = () => {};
  readonly #released = new Promise<void>((resolve) => {
    this.#release = resolve;
  });
  asked = 0;
  aborted = 0;

  constructor(domain: string) {
    this.#domain = domain;
  }

  lookup<T extends RecordType>(
    name: string,
    type: T,
    options?: LookupOptions,
  ): DnsAnswer<RecordData[T]> | Promise<DnsAnswer<RecordData[T]>> {
    if (name !== this.#domain) return zone.lookup(name, type);
    this.asked++;
    options?.signal?.addEventListener('abort', () => void this.aborted++);
    return this.#released.then(() => zone.lookup(name, type));
  }

  release(): void {
    this.#release();
  }
}

async function slow(
  domain: string,
  config: string,
  talk: (client: MilterClient, dns: HeldResolver, bench: Bench) => Promise<void>,
): Promise<void> {
  const dns = new HeldResolver(domain);
  const bench = await openBench(config, { resolver: dns });
  const client = await MilterClient.open(bench.path);
  try {
    await client.connect('192.0.2.7');
    await client.helo('client.test');
    await talk(client, dns, bench);
    assert.deepEqual(bench.problems, []);
  } finally {
    client.destroy();
    await bench.close();
  }
}

test('MAIL waits for a result that comes within answer_within', () =>
  slow('fail.test', 'answer_within = 5s', async (client, dns) => {
    setTimeout(() => dns.release(), 50);
    assert.equal((await client.mail('a@fail.test')).verdict, '550 5.7.23 SPF validation failed');
  }));

test('a result that comes later is acted on at DATA over TCP, and on a UNIX socket at the end', () =>
  slow('fail.test', 'answer_within = 20ms', async (local, dns, { server }) => {
    const bound = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    const client = await MilterClient.open(bound.kind === 'tcp' ? bound.port : 0);
    await client.connect('192.0.2.7');
    await client.helo('client.test');
    for (const one of [client, local]) {
      assert.equal((await one.mail('a@fail.test')).verdict, 'continue');
      assert.equal((await one.rcpt('u@rcpt.test')).verdict, 'continue');
    }
    dns.release();
    await sleep(20);
    assert.equal((await client.data()).verdict, '550 5.7.23 SPF validation failed');
    assert.equal((await local.data()).verdict, 'continue');
    assert.equal((await local.message()).verdict, '550 5.7.23 SPF validation failed');
    client.destroy();
  }));

for (const version of [6, 3])
  test(`or at the end, where it comes between DATA and the end (version ${version} of the protocol)`, () =>
    slow('fail.test', 'answer_within = 20ms', async (_, dns, { path }) => {
      const client = await MilterClient.open(path, { version });
      await client.connect('192.0.2.7');
      await client.helo('client.test');
      assert.equal((await client.mail('a@fail.test')).verdict, 'continue');
      await client.rcpt('u@rcpt.test');
      if (version > 3) assert.equal((await client.data()).verdict, 'continue');
      dns.release();
      await sleep(20);
      assert.equal((await client.message()).verdict, '550 5.7.23 SPF validation failed');
      client.destroy();
    }));

test('or at the end of the message, which waits for it', () =>
  slow('fail.test', 'answer_within = 20ms', async (client, dns) => {
    await client.mail('a@fail.test');
    await client.rcpt('u@rcpt.test');
    assert.equal((await client.data()).verdict, 'continue');
    setTimeout(() => dns.release(), 50);
    assert.equal((await client.message()).verdict, '550 5.7.23 SPF validation failed');
  }));

test('while the end of the message waits, the MTA is told that work goes on', () =>
  slow('pass.test', 'answer_within = 20ms', async (client, dns) => {
    await client.mail('a@pass.test');
    await client.rcpt('u@rcpt.test');
    await client.data();
    setTimeout(() => dns.release(), 4500);
    const { verdict, edits } = await client.message();
    assert.equal(verdict, 'continue');
    assert.equal(edits[0], 'progress');
    assert.match(edits[1] ?? '', /^insert Received-SPF: pass /);
  }));

test('no evaluation takes longer than timeout_secs', () =>
  slow('fail.test', 'timeout_secs = 1', async (client) => {
    assert.match((await client.mail('a@fail.test')).verdict, /^451 4\.7\.24 .*no result within 1 second$/);
  }));

test('a recipient taken before the result was there makes a late refusal one of the message', () =>
  slow('fail.test', 'answer_within = 20ms\nskip_recipients = p@rcpt.test', async (client, dns) => {
    await client.mail('a@fail.test');
    assert.equal((await client.rcpt('u@rcpt.test')).verdict, 'continue');
    dns.release();
    await sleep(20);
    assert.equal((await client.rcpt('v@rcpt.test')).verdict, '550 5.7.23 SPF validation failed');
    assert.equal((await client.message()).verdict, '550 5.7.23 SPF validation failed');
  }));

test('the MTA goes while DNS is asked: the evaluation ends, nothing is counted, nothing breaks', () =>
  slow('fail.test', '', async (client, dns, { lines, seen, server }) => {
    client.send('M', ['<a@fail.test>']);
    await until(() => dns.asked > 0);
    client.destroy();
    await until(() => server.connections === 0);
    dns.release();
    await sleep(50);
    assert.equal(dns.aborted, 1);
    assert.ok(!lines.some((line) => line.includes('a@fail.test')), lines.join('\n'));
    assert.ok(!seen.some((event) => event.kind === 'result' && event.identity === 'mailfrom'));
  }));

test('an aborted message’s late answer is not given to the next one', () =>
  slow('fail.test', '', async (client, dns) => {
    client.send('M', ['<a@fail.test>']);
    await until(() => dns.asked > 0);
    client.abort();
    const next = client.mail('a@pass.test');
    await until(() => dns.aborted > 0);
    dns.release();
    assert.equal((await next).verdict, 'continue');
    await client.rcpt('u@rcpt.test');
    await client.data();
    const { edits } = await client.message();
    assert.equal(edits.length, 1);
    assert.match(edits[0] ?? '', /^insert Received-SPF: pass /);
  }));

test('a HELO result that an aborted message asked for is the session’s', () =>
  slow('mail.host.test', '', async (client, dns, { lines }) => {
    await client.helo('mail.host.test');
    client.send('M', ['<a@pass.test>']);
    await until(() => dns.asked > 0);
    client.abort();
    await sleep(50);
    dns.release();
    assert.match((await client.mail('a@pass.test')).verdict, /^550 5\.7\.23/);
    assert.ok(
      lines.every((line) => !line.includes('temperror')),
      lines.join('\n'),
    );
  }));
