/** Mails to hand over, and what undoes dot-stuffing on the other side. */
import { parseIp } from '../../../src/mail/ip.js';
import type { MessageSource } from '../../../src/mail/message.js';
import type { RelayRequest } from '../../../src/relay/relay.js';

export const inMemory = (...parts: readonly Buffer[]): MessageSource => ({
  size: parts.reduce((sum, part) => sum + part.length, 0),
  parts: () => parts,
});

/** As from a spool file: one part after the other, later. */
export const spooled = (...parts: readonly Buffer[]): MessageSource => ({
  size: parts.reduce((sum, part) => sum + part.length, 0),
  async *parts() {
    for (const part of parts) {
      await new Promise((resolve) => setImmediate(resolve));
      yield part;
    }
  },
});

export const text = 'Subject: hello\r\n\r\nworld\r\n';

export function request(changes: Partial<RelayRequest> = {}): RelayRequest {
  return {
    clientIp: parseIp('192.0.2.9')!,
    clientName: 'client.example',
    helo: 'helo.example',
    protocol: 'ESMTP',
    reversePath: 'sender@example.net',
    recipients: ['foo@example.com'],
    smtputf8: false,
    eightBit: false,
    head: Buffer.from('X-Postern: yes\r\n'),
    message: inMemory(Buffer.from(text)),
    ...changes,
  };
}

/** RFC 5321 §4.5.2, the receiver's half. */
export function unstuffed(wire: Buffer): Buffer {
  return Buffer.from(wire.toString('latin1').replace(/(^|\r\n)\./g, '$1'), 'latin1');
}
