/**
 * dkim_check — verifies the DKIM signatures (RFC 6376) and the ARC chain (RFC 8617) of a mail, and rejects nothing.
 *
 * The results are recorded in Authentication-Results (dkim=, arc=), in X-DKIM-RESULT and in the log. Switched on by
 * checks/dkim, or by checks/dkim_check alone. A signature counts if it covers the From: field and the whole body, with
 * a key of 1024 bits or more. The newest 8 are verified; DNS that does not answer makes temperror of it.
 */

import type { Plugin } from '../src/hooks/plugin.js';
import { after } from '../src/mail/eventual.js';
import { pass, skip } from '../src/mail/verdict.js';
import { signaturesOf } from './shared/dkim-signatures.js';

const plugin: Plugin = {
  name: 'dkim_check',
  inAll: true,
  switches: ['dkim', 'dkim_check'],
  /** Whitelisted mail is verified as well. */
  dataPost: (context) => (context.rejection ? skip('rejected already') : after(signaturesOf(context), () => pass)),
};
export default plugin;
