/** A process of its own that archives: `writer.ts ROOT PREFIX COUNT [TIME]`. Says each archived name, or why not. */
import { quarantineIn, request } from './support.js';

const [root = '', prefix = '', count = '1', time] = process.argv.slice(2);
const quarantine = quarantineIn(root);
const text = `Subject: ${prefix}\r\n\r\n${'line of the body\r\n'.repeat(300)}END\r\n`;

async function writeFrom(first: number, step: number): Promise<void> {
  for (let i = first; i < Number(count); i += step) {
    const when = time === undefined ? new Date() : new Date(Number(time));
    const about = { subject: `${prefix}${i} ${'s'.repeat((i * 37) % 3000)}` };
    const result = await quarantine.archive(request({ id: `${prefix}${i}`, time: when, text, about }));
    console.log(result.kind === 'archived' ? result.filenames[0] : `failed ${result.problem}`);
  }
}

await Promise.all([0, 1, 2, 3].map((first) => writeFrom(first, 4)));
await quarantine.close();
