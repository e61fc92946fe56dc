/** What `postern spf` knows, as a line of JSON: every key is there, with null for what there is not. */
import { jsonLine } from '../terminal.js';

export const spfJson = (value: unknown): string => jsonLine(value, (_key, part: unknown) => part ?? null);
