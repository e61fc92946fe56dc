/** The journal as page and commands read it, wherever its lines are; and as the files of this host. */
import { daysOf } from './hours.js';
import {
  type JournalItem,
  journalPage,
  type JournalPage,
  type JournalPageLimits,
  type JournalSearch,
  searchJournal,
  type SearchProgress,
} from './reader.js';

export type SourceSearch = Omit<JournalSearch, 'dir'>;

/** Broken IO throws. */
export interface JournalSource {
  /** Yields what is found, newest first, and how far it has come. */
  search(search: SourceSearch): AsyncGenerator<JournalItem | SearchProgress>;
  page(search: SourceSearch, limits: JournalPageLimits): Promise<JournalPage>;
  /** The first millisecond of the oldest day that there is; undefined where there is none. */
  oldest(): Promise<number | undefined>;
}

/** `dir` is `state/journal`. */
export const journalOnDisk = (dir: string): JournalSource => ({
  search: (search) => searchJournal({ ...search, dir }),
  page: (search, limits) => journalPage({ ...search, dir }, limits),
  async oldest() {
    const day = daysOf(dir).at(-1);
    return day === undefined ? undefined : Date.parse(day);
  },
});
