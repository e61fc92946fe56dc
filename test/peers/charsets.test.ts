/**
 * Subjects that Python's email package writes and reads, and such as are cut within a character as careless senders cut
 * them: decoded here as there.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { decodeField } from '../../src/mail/encoded-word.js';
import { needPeer } from '../support/peers.js';

/** Prints one JSON line a case: charset, the field's value, what the email package reads in it. */
const program = String.raw`
import base64, json, random, sys
from email.header import Header, decode_header

rng = random.Random(int(sys.argv[1]))
kanji = '会議のお知らせと日程の変更について請求書確認支払①髙㈱'
hanzi = '发票和合同请尽快付款谢谢您的支持'
hant = '發票和合約請盡快付款謝謝您的支持'
hangul = '안녕하세요청구서입니다똠방각하펲시콜라'
charsets = {
    'utf-8': kanji + hanzi + hangul + 'äöüß€“”–😀👨‍👩‍👧م‌خ', 'utf-7': kanji + hangul + 'äöü€😀+-',
    'cp932': kanji, 'shift_jis': kanji[:-3], 'euc-jp': kanji[:-3], 'iso-2022-jp': kanji[:-3],
    'cp936': hanzi, 'gbk': hanzi, 'gb2312': hanzi, 'gb18030': hanzi + hangul + '😀ä', 'big5': hant, 'cp950': hant,
    'cp949': hangul, 'euc-kr': '안녕하세요청구서',
}
single = ['windows-1250', 'windows-1251', 'windows-1252', 'windows-1253', 'windows-1254', 'windows-1255', 'windows-1256',
          'windows-1257', 'windows-1258', 'iso-8859-2', 'iso-8859-3', 'iso-8859-4', 'iso-8859-5', 'iso-8859-6', 'iso-8859-7', 'iso-8859-8',
          'iso-8859-10', 'iso-8859-13', 'iso-8859-14', 'iso-8859-15', 'koi8-r', 'koi8-u', 'cp866', 'cp874', 'mac-roman']
for name in single:
    charsets[name] = ''.join(c for c in (bytes([o]).decode(name, 'ignore') for o in range(128, 256)) if c.isprintable())
# WHATWG, and Node 24 with it, reads two box drawings of RFC 2319 as the Belarusian letters that browsers show.
charsets['koi8-u'] = charsets['koi8-u'].replace('╝', '').replace('╬', '')
charsets['iso-8859-1'] = ''.join(map(chr, range(0xa1, 0x100)))

def word(charset, octets):
    if rng.random() < .5:
        return '=?%s?B?%s?=' % (charset, base64.b64encode(octets).decode())
    return '=?%s?Q?%s?=' % (charset, ''.join('=%02X' % o for o in octets))

def cut(octets):
    places = sorted(rng.randrange(len(octets) + 1) for _ in range(rng.randrange(4)))
    return [octets[a:b] for a, b in zip([0] + places, places + [len(octets)]) if a < b]

# Not make_header: it reads cp949 as EUC-KR.
def read(value):
    return ''.join(part if isinstance(part, str) else part.decode(name or 'ascii') for part, name in decode_header(value))

for charset, letters in charsets.items():
    for i in range(30):
        text = ''.join(rng.choice(letters + ('ab 1' if i % 2 else '')) for _ in range(rng.randint(1, 40))).strip() or 'x'
        octets = text.encode(charset)
        # UTF-7 goes on in the next word only where its own base64 is cut within a character.
        pieces = [octets] if charset == 'utf-7' else cut(octets)
        value = ' '.join(word(charset, piece) for piece in pieces)
        print(json.dumps([charset, value, read(value)]))
        if charset in ('utf-8', 'iso-2022-jp', 'euc-jp', 'big5', 'gb2312', 'koi8-r', 'windows-1251', 'iso-8859-1'):
            value = Header(text, charset, maxlinelen=rng.choice([40, 76])).encode()
            print(json.dumps([charset + ' by Header', value, read(value)]))
`;

test('subjects in 40 charsets are read as Python reads them', (t) => {
  if (!needPeer(t, 'python3')) return;
  const seed = process.env['SEED'] ?? String(Date.now() % 1_000_000);
  const lines = execFileSync('python3', ['-c', program, seed], { encoding: 'utf8' }).trim().split('\n');
  assert.ok(lines.length > 1_000);
  for (const line of lines) {
    const [charset, value = '', expected] = JSON.parse(line) as string[];
    assert.equal(decodeField(value), expected, `${charset}, SEED=${seed}: ${value}`);
  }
});
