/** A process of writer.test.ts: writes so many lines, a few at a time. */
import { relayed, writerIn } from './support.js';

const [dir = '', who = '', count = ''] = process.argv.slice(2);
const writer = writerIn(dir);
for (let i = 0; i < Number(count); i++) {
  writer.write({ ...relayed, session: who, ms: i });
  if (i % 7 === 0) writer.flush();
}
writer.close();
