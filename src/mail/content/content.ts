/** What a mail holds, taken apart by MIME (RFC 2045): its text, and what is attached to it. */

/**
 * `unreadable`: it is built so that nobody should take it apart (too deep, too many parts, too slow), or the parser
 * fell over it. That says nothing of whether it is wanted: who asks decides what to do.
 */
export type Content =
  | {
      readonly kind: 'read';
      /** Its text/plain parts, decoded; not longer than `maxText`. */
      readonly text: string;
      /** Its text/html parts, as they are; not longer than `maxText`. */
      readonly html: string;
      /** The attachments, those of attached mails among them. */
      readonly attachments: readonly Attachment[];
    }
  | {
      readonly kind: 'unreadable';
      readonly why: string;
      /** Will it be so at the next try as well? */
      readonly isLasting: boolean;
    };

/** What is beyond limits will be so at the next try as well. */
export interface Unlisted {
  readonly kind: 'beyond limits' | 'late' | 'no program';
  readonly why: string;
}

/** What is looked for beside the usual. */
export interface ContentWish {
  /** Archives are opened, and those in them: tar, 7z, rar and more. */
  readonly archives?: boolean;
}

export interface Attachment {
  /** Every name that a reader might show or save it under, decoded; none where it has none. */
  readonly names: readonly string[];
  /** Lower case, such as application/pdf. */
  readonly type: string;
  /** Octets, decoded. */
  readonly size: number;
  /** Names that an archive lists, with their folders: zip archives always, others and those in it at a closer look. */
  readonly inside: readonly string[];
  /** Would a closer look (`archives`) find more? */
  readonly isPacked?: boolean;
  /** Is there a password on it, or on what is in it? A 7z archive tells only at a closer look. */
  readonly isEncrypted?: boolean;
  /** Is it a document with macros? */
  readonly hasMacros?: boolean;
  /** Why a closer look may not have found all. */
  readonly unlisted?: Unlisted;
  /** Its Content-ID without the brackets, by which HTML names it (RFC 2392). */
  readonly cid?: string;
  /** Decoded, where they were asked for and are not too many. */
  readonly octets?: Uint8Array;
}

/** UTF-16 units; longer text is cut there. */
export const maxText = 1 << 18;

/** Octets of an attachment that can be saved by itself; a larger one is saved with the whole mail. */
export const maxAttachment = 32 << 20;
