/** Where page and commands find what has been kept, by the settings: the files of this host. */
import { journalDir } from '../journal/hours.js';
import { journalOnDisk, type JournalSource } from '../journal/journal-source.js';
import type { KeptMails } from '../quarantine/kept-mails.js';
import { keptOnDisk } from '../quarantine/kept-on-disk.js';
import type { Settings } from '../settings/settings.js';

export const mailsFor = ({ spam }: Settings): KeptMails => keptOnDisk(spam);

export const journalFor = ({ state }: Settings): JournalSource => journalOnDisk(journalDir(state));
