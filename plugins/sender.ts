/** sender — rejects a reverse-path whose domain has no dot; the null reverse-path passes. */
import { defineCheck, pass, reject } from '../src/hooks/check.js';

export default defineCheck({
  name: 'sender',
  inspect: ({ reversePath, senderDomain }) =>
    reversePath === '' || senderDomain.includes('.')
      ? pass
      : reject('Sender domain is not fully qualified', `domain without a dot: ${reversePath}`),
});
