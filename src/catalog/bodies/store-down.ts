import { SourceDown } from '../../quarantine/kept-mails.js';

/** The store of the mails cannot be asked just now, whatever else can. */
export class StoreDown extends SourceDown {}
