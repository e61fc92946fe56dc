/** What `postern spf` knows, as a line of JSON: every key is there, with null for what there is not. */
import { jsonLine } from '../terminal.js';

/**
 * The shape of what `--json` prints, as the key `version` of each object. Keys may be added at any time; the number
 * grows when one changes its meaning or goes away.
 */
const version = 1;

export const spfJson = (value: unknown): string => jsonLine(value, (_key, part: unknown) => part ?? null);

/** The one object that `--json` prints. */
export const spfJsonObject = (value: object): string => spfJson({ version, ...value });
