/** The client as greylisting and ratelimit know it; no plugin itself. */
import { type Ip, networkBase } from '../../src/mail/ip.js';

/** A sender's hosts stand beside each other, and a customer of a provider has a /64 at least. */
export const networkText = (ip: Ip): string =>
  ip.family === 4 ? `${networkBase(ip, 24).text}/24` : `${networkBase(ip, 64).text}/64`;
