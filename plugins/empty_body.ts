/**
 * empty_body — rejects mail that holds nothing: no text that anybody could read, no picture, and no attachment.
 *
 * Mail whose content cannot be read (too deep, too many parts …) is not empty, and passes.
 */
import { defineCheck, pass, reject } from '../src/hooks/check.js';
import { maxText } from '../src/mail/content/content.js';

export default defineCheck({
  name: 'empty_body',
  async inspect(mail) {
    const content = await mail.content();
    if (content.kind === 'unreadable' || content.attachments.length > 0) return pass;
    return isBlank(content.text) && isBlankHtml(content.html) ? reject('The mail is empty') : pass;
  },
});

/** White space and what is invisible: format characters, such as the zero-width space. */
const isBlank = (text: string): boolean => /^[\s\p{Cc}\p{Cf}]*$/u.test(text);

/** Walks from tag to tag, in linear time; what it does not understand counts as something. */
function isBlankHtml(html: string): boolean {
  if (html.length >= maxText) return false;
  const [first = '', ...pieces] = html.split('<');
  let seen = first;
  let hidden = '';
  for (const piece of pieces) {
    const tag = /^\/?[a-z]+/i.exec(piece)?.[0].toLowerCase() ?? '';
    if (hidden === '' && shown.has(tag)) return false;
    if (tag === `/${hidden}`) hidden = '';
    else if (hidden === '' && invisible.has(tag)) hidden = tag;
    if (hidden === '') seen += piece.slice(piece.indexOf('>') + 1);
  }
  return isBlank(seen.replace(/&(?:nbsp|#160|#xa0|zwnj|#8203);/gi, ' '));
}

const invisible = new Set(['style', 'script', 'title']);
const shown = new Set(['img', 'svg', 'video', 'audio', 'object', 'embed', 'iframe', 'input']);
