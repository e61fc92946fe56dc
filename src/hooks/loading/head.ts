/** The manual of a plugin: the comment at the top of its file. Pure; leaves finding the file to load.ts. */

export interface PluginHead {
  /** The first sentence, without the plugin's name. */
  readonly summary: string;
  /** All of it, without the stars of the comment. */
  readonly text: string;
}

/** Undefined where the file begins with something else. */
export function headOf(source: string): PluginHead | undefined {
  const [, comment] = /^\uFEFF?(?:#!.*\n)?\s*\/\*\*([^]*?)\*\//.exec(source) ?? [];
  if (comment === undefined) return undefined;
  const text = comment
    .split(/\r?\n/)
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .replace(/@type\s*\{[^]*?\}(?=\s*$)/, '') // what makes an editor check it
    .trim();
  return text === '' ? undefined : { summary: summaryOf(text), text };
}

/** `date 30 — rejects mail without a Date: field, …`: what stands behind the dash, up to the end of the sentence. */
function summaryOf(text: string): string {
  const [first = ''] = text.split(/\n\s*\n/);
  const line = first.replace(/\s+/g, ' ').trim();
  const [, said = line] = /^[a-z0-9][\w-]*(?: \S+)* (?:—|–|--?) (.*)$/i.exec(line) ?? [];
  return said.replace(/\.(?: .*)?$/, '');
}
