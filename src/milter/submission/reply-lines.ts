/** A long reply in lines: RFC 5321 §4.5.3.1.5 gives one 512 octets, in which code, status and line end have place. */
const maxLine = 480;

/** Broken at spaces where there are any. */
export function replyLines(text: string): readonly string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > maxLine) {
    const space = rest.lastIndexOf(' ', maxLine);
    const end = space > 0 ? space : maxLine;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, rest];
}
