/** The thread in which content is read: takes octets piece by piece, one mail at a time, and says what it found. */
import { parentPort } from 'node:worker_threads';
import { Readable } from 'node:stream';
import { readContent } from './read-content.js';
import type { FromThread, ToThread } from './content-reader.js';

let current: Readable | undefined;

const say = (message: FromThread): void => parentPort?.postMessage(message, []);

parentPort?.on('message', (message: ToThread) => {
  if (message.kind === 'begin') {
    const { job, keep } = message;
    current = new Readable({ read: () => say({ kind: 'more', job }) });
    void readContent(current, keep).then((content) => say({ kind: 'done', job, content }));
  } else {
    current?.push(message.kind === 'octets' ? Buffer.from(message.octets) : null);
  }
});
