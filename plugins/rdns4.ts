/** rdns4 — rejects an IPv4 client without a reverse name. Not part of checks/all. */
import { checkReverseName } from './shared/rdns-check.js';

export default checkReverseName({ name: 'rdns4', inAll: false, families: [4] });
