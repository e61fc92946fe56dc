/** Doctor's look at the store that hosts share: does Redis answer, and who is it, where sentinels know that? */
import { errorText } from '../../mail/error-text.js';
import { readRedisAddress } from '../../store/redis-address.js';
import { loadRedis } from '../../store/redis-client.js';
import { type Diagnoses, type Examined, failing, good } from './diagnosis.js';

export async function* examineStore({ settings }: Pick<Examined, 'settings'>): Diagnoses {
  const address = readRedisAddress(settings.store);
  // That the client is missing has been said of the settings.
  const client = address.ok ? await loadRedis() : undefined;
  if (!address.ok || !client?.ok) return;
  const { reach, usualTimeoutMs } = client.value;
  try {
    yield good('store', `${await reach(address.value, usualTimeoutMs)} answers`);
  } catch (error) {
    const mail =
      settings.store_down === 'pass' ? 'checks that need it pass' : 'mail that it is asked about is deferred';
    yield failing('store', errorText(error), `until it answers ${mail}`);
  }
}
