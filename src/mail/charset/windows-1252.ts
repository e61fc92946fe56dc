/** windows-1252 by its own table, as the Encoding Standard has it; ISO 8859-1 and ASCII in mail mean it as well. */
import { type Charset, whole } from './decoded.js';

/** The characters of 0x80 to 0x9F; the five octets that stand for none stay controls. */
const table = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

export const windows1252: Charset = {
  decode: (octets) =>
    whole(octets.toString('latin1').replace(/[\x80-\x9f]/g, (c) => table.charAt(c.charCodeAt(0) - 0x80))),
};
