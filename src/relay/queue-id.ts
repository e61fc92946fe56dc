/** The queue id in what an MTA says behind a message that it has taken. */

const forms: readonly RegExp[] = [
  /\bqueued as ([\w-]{3,40})/i, // Postfix, postern's own sink
  /\bid=([\w-]{3,40})/i, // Exim
  /^([\w-]{3,40}) Message accepted for delivery/i, // Sendmail, OpenSMTPD
];

/** `text` is the reply without its codes. undefined where it names none. */
export function queueIdOf(text: string): string | undefined {
  for (const form of forms) {
    const id = form.exec(text)?.[1];
    if (id !== undefined) return id;
  }
  return undefined;
}
