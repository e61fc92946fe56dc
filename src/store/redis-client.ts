/**
 * The Redis client. Only those need it who set `store`, and it would be a fifth of all that postern has on disk:
 * whoever wants it installs it beside postern. Leaves talking to a server to redis.ts.
 */
import { type Result, wrong } from '../mail/result.js';

/** The version that postern is tested with stands in package.json, among its optional peers. */
const how = 'npm install -g @redis/client puts it beside a postern that npm has installed';

/** What is wrong is a whole clause. */
export async function loadRedis(
  load: () => Promise<typeof import('./redis.js')> = () => import('./redis.js'),
): Promise<Result<typeof import('./redis.js')>> {
  try {
    return { ok: true, value: await load() };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return wrong(`the package @redis/client is not installed; ${how}`);
  }
}
