/** Lines on their way: those of many files go together, and a file that is of no use holds up no other. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { IndexFollower, type IndexedLine } from '../../src/catalog/ship/index-follower.js';
import { IndexLane } from '../../src/catalog/ship/lane.js';
import { indexLine } from '../../src/quarantine/disk/index-entry.js';
import { SourceDown } from '../../src/quarantine/kept-mails.js';
import { entryFor, folderOf, spamFolder } from '../quarantine/support.js';

function append(root: string, domain: string, names: readonly string[]): void {
  const folder = folderOf(root, new Date(), domain);
  fs.mkdirSync(folder, { recursive: true });
  const lines = names.map((name) => indexLine(entryFor(name, new Date())));
  fs.appendFileSync(path.join(folder, 'index'), Buffer.concat(lines));
}

interface Trial {
  readonly root: string;
  readonly lane: IndexLane;
  /** What was worked on, a batch each. */
  readonly batches: string[][];
  readonly problems: string[];
}

function trial(t: TestContext, maxLines: number, work: (names: readonly string[]) => void = () => undefined): Trial {
  const root = spamFolder(t);
  const batches: string[][] = [];
  const problems: string[] = [];
  const follower = new IndexFollower({ root, maxLines, onProblem: (file) => problems.push(file) });
  const lane = new IndexLane({
    follower,
    async work(lines: readonly IndexedLine[]) {
      const names = lines.flatMap(({ entry }) => entry?.filename ?? []);
      batches.push(names);
      work(names);
    },
    onProblem: (problem) => problems.push(problem),
  });
  return { root, lane, batches, problems };
}

async function drain(lane: IndexLane): Promise<number> {
  let turns = 0;
  while (await lane.next({ all: true })) turns++;
  return turns;
}

test('lines of many files are one batch, each line comes once, and later ones come when they are there', async (t) => {
  const { root, lane, batches } = trial(t, 10);
  for (let i = 0; i < 7; i++) append(root, `d${i}.example`, [`a${i}`, `b${i}`]);
  assert.equal(await drain(lane), 2);
  assert.deepEqual(
    batches.map(({ length }) => length),
    [10, 4],
  );
  append(root, 'd3.example', ['c3']);
  append(root, 'new.example', ['n']);
  assert.equal(await drain(lane), 1);
  assert.deepEqual(batches.at(-1)?.toSorted(), ['c3', 'n']);
  assert.equal(new Set(batches.flat()).size, batches.flat().length);
  lane.forgetRecent();
  await drain(lane);
  assert.equal(batches.flat().length, 2 * 16, 'what is forgotten comes again');
});

test('a file of more lines than one batch comes in its order; half a line waits for its other half', async (t) => {
  const { root, lane, batches } = trial(t, 4);
  const names = Array.from({ length: 11 }, (_, i) => `m${i}`);
  append(root, 'example.com', names);
  const index = path.join(folderOf(root), 'index');
  const half = indexLine(entryFor('half', new Date()));
  fs.appendFileSync(index, half.subarray(0, 20));
  await drain(lane);
  assert.deepEqual(batches.flat(), names);
  fs.appendFileSync(index, half.subarray(20));
  await drain(lane);
  assert.deepEqual(batches.at(-1), ['half']);
});

test('a file whose lines cannot be shipped is told of and tried again, and the others are not held up', async (t) => {
  let isBad = true;
  const { root, lane, batches, problems } = trial(t, 100, (names) => {
    if (isBad && names.includes('bad')) throw new Error('it is refused');
  });
  append(root, 'a.example', ['a']);
  append(root, 'b.example', ['b', 'bad']);
  append(root, 'c.example', ['c']);
  await drain(lane);
  assert.match(problems.join(), /b\.example\/index: it is refused/);
  batches.length = 0;
  isBad = false;
  await drain(lane);
  assert.deepEqual(batches, [['b', 'bad']]);
});

test('what was given when the catalog went away is given again', async (t) => {
  let isDown = true;
  const { root, lane, batches } = trial(t, 2, () => {
    if (isDown) throw new SourceDown('it is away');
  });
  append(root, 'a.example', ['1', '2', '3']);
  await assert.rejects(lane.next({ all: true }), SourceDown);
  isDown = false;
  batches.length = 0;
  await drain(lane);
  assert.deepEqual(batches.flat(), ['1', '2', '3']);
});
