/** Copies of what is in a mail: octets cannot be frozen, so plugins are shown others. */
import type { Field, Header } from '../../mail/header.js';
import type { MessageSource } from '../../mail/message.js';
import type { Recipient } from '../contexts.js';

export const copyOf = ({ text, localPart, domain }: Recipient): Recipient => Object.freeze({ text, localPart, domain });

export class HeaderView implements Header {
  readonly #header: Header;
  #fields: readonly Field[] | undefined;

  constructor(header: Header) {
    this.#header = header;
  }

  get fields(): readonly Field[] {
    this.#fields ??= Object.freeze(
      this.#header.fields.map(({ name, value, raw }) => Object.freeze({ name, value, raw: Buffer.from(raw) })),
    );
    return this.#fields;
  }

  get(name: string): string | undefined {
    return this.#header.get(name);
  }

  all(name: string): readonly string[] {
    return Object.freeze(this.#header.all(name));
  }
}

export class MessageView implements MessageSource {
  readonly #message: MessageSource;

  constructor(message: MessageSource) {
    this.#message = message;
  }

  get size(): number {
    return this.#message.size;
  }

  parts(): readonly Buffer[] | AsyncIterable<Buffer> {
    const parts = this.#message.parts();
    return Array.isArray(parts)
      ? parts.map((part: Buffer) => Buffer.from(part))
      : copies(parts as AsyncIterable<Buffer>);
  }
}

async function* copies(parts: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  for await (const part of parts) yield Buffer.from(part);
}

for (const view of [HeaderView, MessageView]) {
  Object.freeze(view);
  Object.freeze(view.prototype);
}
