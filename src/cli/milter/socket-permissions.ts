/** Who may connect to the milter's socket file. */
import { errorText } from '../../mail/error-text.js';
import type { SocketPermissions } from '../../milter/socket.js';
import { accountNumber } from '../service/accounts.js';

interface SocketSettings {
  readonly socket_mode: number | undefined;
  /** '' for whoever runs the milter; likewise the group. */
  readonly socket_owner: string;
  readonly socket_group: string;
  /** Who the milter becomes; '' for nobody else. */
  readonly user: string;
  readonly group: string;
}

/** Our choice: what spf-milter's socket would have by the umask, and open to owner and group in any case. */
export function permissionsOf(config: SocketSettings): SocketPermissions | string {
  const { socket_mode, user, group } = config;
  const socket_owner = config.socket_owner || user;
  const socket_group = config.socket_group || group;
  const umask = process.umask();
  try {
    return {
      mode: socket_mode ?? (0o777 & ~umask) | 0o660,
      ...(socket_owner !== '' && { uid: accountNumber('passwd', socket_owner) }),
      ...(socket_group !== '' && { gid: accountNumber('group', socket_group) }),
    };
  } catch (error) {
    const given = [
      socket_owner && `${config.socket_owner ? 'socket_owner' : 'user'} = ${socket_owner}`,
      socket_group && `${config.socket_group ? 'socket_group' : 'group'} = ${socket_group}`,
    ];
    return `${given.filter((text) => text !== '').join(', ')}: ${errorText(error)}; name one that exists`;
  }
}
