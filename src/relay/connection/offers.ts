/** What an MTA offers in its reply to EHLO or LHLO (RFC 5321 §4.1.1.1), read once for all mails of the connection. */
import { type Attribute, attributesIn } from '../client-identity.js';

export class Offers {
  /** Keywords in upper case with their parameters, '' for none. */
  readonly extensions: ReadonlyMap<string, string>;
  /** RFC 2920 */
  readonly pipelining: boolean;
  /** RFC 1870 */
  readonly size: boolean;
  /** In octets. */
  readonly maxSize: number;
  /** RFC 6152 */
  readonly eightBit: boolean;
  /** RFC 6531 */
  readonly smtputf8: boolean;
  /** RFC 3461 */
  readonly dsn: boolean;
  readonly xforward: readonly Attribute[];
  readonly xclient: readonly Attribute[];

  constructor(extensions: ReadonlyMap<string, string>) {
    this.extensions = extensions;
    this.pipelining = extensions.has('PIPELINING');
    const size = extensions.get('SIZE');
    this.size = size !== undefined;
    this.maxSize = Number(/^\d+$/.exec(size ?? '')?.[0] ?? 0) || Infinity; // RFC 1870 §4: a limit of 0 is no limit
    this.eightBit = extensions.has('8BITMIME');
    this.smtputf8 = extensions.has('SMTPUTF8');
    this.dsn = extensions.has('DSN');
    this.xforward = attributesIn(extensions.get('XFORWARD') ?? '');
    this.xclient = attributesIn(extensions.get('XCLIENT') ?? '');
  }
}

export const noOffers = new Offers(new Map());
