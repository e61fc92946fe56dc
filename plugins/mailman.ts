/** mailman — rejects Mailman's notices to list owners: "post from … requires approval", "moderator request(s) waiting". */
import { defineCheck, pass, reject } from '../src/hooks/check.js';

const notices = [/\bpost from .+ requires approval/i, /\bmoderator request\(s\) waiting/i];

export default defineCheck({
  name: 'mailman',
  inspect({ header }) {
    const subject = (header.get('subject') ?? '').slice(0, 500);
    return notices.some((notice) => notice.test(subject)) ? reject('Mailman moderation notice', subject) : pass;
  },
});
