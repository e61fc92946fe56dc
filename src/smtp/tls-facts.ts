/** What a connection's encryption is made of, for the log and for Received:. Its handshake is the library's. */
import type { TLSSocket } from 'node:tls';
import type { TlsSeen } from '../hooks/plugin.js';

/** Plugins see it, too: nobody can change it. */
export function tlsFactsOf(socket: TLSSocket & { readonly servername?: unknown }): TlsSeen {
  const { servername } = socket;
  return Object.freeze({
    protocol: socket.getProtocol() ?? 'TLS',
    cipher: socket.getCipher().name,
    ...(typeof servername === 'string' && servername !== '' && { sni: servername.toLowerCase() }),
  });
}

/** For the log: `1.3 TLS_AES_256_GCM_SHA384`. */
export const tlsLogText = ({ protocol, cipher }: TlsSeen): string => `${protocol.replace(/^TLSv/, '')} ${cipher}`;

/** For Received:, as Postfix has it (smtpd_tls_received_header): comments, each on a line of its own. */
export function tlsComments({ protocol, cipher }: TlsSeen): readonly string[] {
  const bits = keyBits(cipher);
  const strength = bits === undefined ? '' : ` (${bits}/${bits} bits)`;
  return [`(using ${protocol} with cipher ${cipher}${strength})`, '(No client certificate requested)'];
}

/** Node does not tell how long the key is; each name of an OpenSSL cipher does. */
function keyBits(cipher: string): number | undefined {
  if (cipher.includes('CHACHA20')) return 256;
  const bits = /(?:AES|ARIA|CAMELLIA)_?(128|256)/.exec(cipher)?.[1];
  return bits === undefined ? undefined : Number(bits);
}
