/** Runs one command after the other, as main.ts does, for a test that has made it a thread; says what each wrote. */
import { Readable, Writable } from 'node:stream';
import { parentPort } from 'node:worker_threads';
import { runCommand } from '../../../src/cli/command/run.js';
import { commands } from '../../../src/cli/commands.js';

export interface Asked {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly input: Uint8Array;
}

parentPort?.on('message', ({ argv, env, input }: Asked) => {
  const [stdout, stderr] = [new Written(), new Written()];
  const streams = { stdin: Readable.from([Buffer.from(input)]), stdout, stderr };
  for (const [name, value] of Object.entries(streams)) Object.defineProperty(process, name, { value });
  void runCommand({ argv, env }, commands).then((code) =>
    parentPort?.postMessage({ code, stdout: stdout.text(), stderr: stderr.text() }, []),
  );
});

/** No terminal, and at once. */
class Written extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString();
  }
}
