/**
 * A real S3 server (versitygw) on a port of its own, with a bucket. Debian has none: .ci/run builds it where there is a
 * go that can, and elsewhere its tests are skipped.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { freePort } from './free-port.js';
import { hasPeer } from './peers.js';

export const needStore = (t: TestContext): boolean => {
  if (hasPeer('versitygw')) return true;
  t.skip('versitygw is not installed: .ci/run builds it where there is a go that can');
  return false;
};

export const bucket = 'mails';

export class Versitygw {
  readonly folder = mkdtempSync(join(tmpdir(), 'postern-s3-'));
  readonly port: number;
  #child: ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
    mkdirSync(join(this.folder, 'buckets', bucket), { recursive: true });
    mkdirSync(join(this.folder, 'meta'));
    writeFileSync(this.keyFile, 'accesskey\ns3cretkey\n', { mode: 0o600 });
  }

  static async start(): Promise<Versitygw> {
    const server = new Versitygw(await freePort());
    await server.restart();
    return server;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  get keyFile(): string {
    return join(this.folder, 'key');
  }

  /** As the setting `bodies` takes it. */
  get url(): string {
    return this.urlAt(this.port);
  }

  urlAt(port: number): string {
    return `s3://${bucket}?endpoint=http://127.0.0.1:${port}&key_file=${this.keyFile}`;
  }

  async restart(): Promise<void> {
    // Without extended attributes, which not every file system has.
    const words = [
      '--port',
      `127.0.0.1:${this.port}`,
      '--keep-alive',
      '--quiet',
      'posix',
      '--sidecar',
      join(this.folder, 'meta'),
      join(this.folder, 'buckets'),
    ];
    const [access = '', secret = ''] = readFileSync(this.keyFile, 'utf8').split('\n');
    const child = spawn('versitygw', words, {
      env: { PATH: process.env['PATH'] ?? '', ROOT_ACCESS_KEY_ID: access, ROOT_SECRET_ACCESS_KEY: secret },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (octets: Buffer) => (said = (said + octets.toString()).slice(-4_000)));
    this.#child = child;
    for (const until = Date.now() + 30_000; !(await this.#answers()); await sleep(50))
      if (child.exitCode !== null || Date.now() > until) throw new Error(`versitygw does not serve: ${said}`);
  }

  #answers(): Promise<boolean> {
    return fetch(`http://127.0.0.1:${this.port}/`).then(
      () => true,
      () => false,
    );
  }

  /** Names of the objects. */
  get objects(): readonly string[] {
    const dir = join(this.folder, 'buckets', bucket);
    return readdirSync(dir, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
      .toSorted();
  }

  octetsOf(name: string): Buffer {
    return readFileSync(join(this.folder, 'buckets', bucket, name));
  }

  lose(name: string): void {
    rmSync(join(this.folder, 'buckets', bucket, name));
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Is it built where it can be? For whoever prepares. */
export const hasStore = (): boolean => hasPeer('versitygw') && spawnSync('versitygw', ['--version']).status === 0;
