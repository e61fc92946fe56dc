/** SMTP smuggling: what other servers have taken for the end of data. Only CRLF . CRLF is one (RFC 5321 §4.1.1.4). */

/** Commands that must not run: they stand in the text, behind a false end of data. */
export const smuggled =
  'MAIL FROM:<smuggled@evil.example>\r\nRCPT TO:<alice@example.com>\r\nDATA\r\nSubject: two\r\n\r\nsmuggled';

/** [what stands in the text, its octets, what the local MTA reads in its place] */
export const falseEnds: readonly [what: string, octets: string, onTheWire: string][] = [
  ['LF . LF', '\n.\n', '\r\n..\r\n'],
  ['LF . CRLF', '\n.\r\n', '\r\n..\r\n'],
  ['CRLF . LF', '\r\n.\n', '\r\n\r\n'],
  ['CR . CR', '\r.\r', ' . '],
  ['CR . CRLF', '\r.\r\n', ' .\r\n'],
  ['CRLF . CR', '\r\n.\r', '\r\n '],
  ['LF . CR', '\n.\r', '\r\n.. '],
  ['CR . LF', '\r.\n', ' .\r\n'],
  ['CRLF NUL . CRLF', '\r\n\0.\r\n', '\r\n\0.\r\n'],
  ['CRLF . NUL CRLF', '\r\n.\0\r\n', '\r\n\0\r\n'],
  ['CRLF . CR NUL LF', '\r\n.\r\0\n', '\r\n \0\r\n'],
  ['CRLF . space CRLF', '\r\n. \r\n', '\r\n \r\n'],
  ['CRLF space . CRLF', '\r\n .\r\n', '\r\n .\r\n'],
  ['CRLF . vertical tab CRLF', '\r\n.\x0b\r\n', '\r\n\x0b\r\n'],
  ['NEL . NEL', '\x85.\x85', '\x85.\x85'],
  ['line separator . line separator', '\xe2\x80\xa8.\xe2\x80\xa8', '\xe2\x80\xa8.\xe2\x80\xa8'],
  ['CRLF .. CRLF', '\r\n..\r\n', '\r\n..\r\n'],
  ['LF LF . LF LF', '\n\n.\n\n', '\r\n\r\n..\r\n\r\n'],
  ['CRLF . CR CRLF', '\r\n.\r\r\n', '\r\n\r\n'],
  ['CR CRLF . CR CRLF', '\r\r\n.\r\r\n', '\r\n\r\n'],
  ['CRLF . CR CR CRLF', '\r\n.\r\r\r\n', '\r\n\r\n'],
  ['CRLF . LF CRLF', '\r\n.\n\r\n', '\r\n\r\n\r\n'],
  ['LF . CR CRLF', '\n.\r\r\n', '\r\n..\r\n'],
  ['CR LF LF . CRLF', '\r\n\n.\r\n', '\r\n\r\n..\r\n'],
];
