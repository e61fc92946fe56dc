/** What a milter's process is told about its service, whatever filter it serves: rows of the table in schema.ts. */
import type { Endpoint } from '../../milter/endpoint.js';
import type { ParameterValues } from './verify-sender/schema.js';

export const serviceParameters = [
  ...(['group', 'idle_timeout', 'log_destination', 'log_format', 'log_level', 'metrics', 'socket'] as const),
  ...(['socket_group', 'socket_mode', 'socket_owner', 'stop_timeout', 'syslog_facility', 'user', 'workers'] as const),
] as const;

type ServiceParameter = (typeof serviceParameters)[number];
type MayBeMissing = 'socket' | 'socket_mode' | 'metrics';

export type ServiceConfig = {
  readonly [N in Exclude<ServiceParameter, MayBeMissing>]: NonNullable<ParameterValues[N]>;
} & {
  readonly socket: Endpoint;
  readonly socket_mode: ParameterValues['socket_mode'];
  readonly metrics: ParameterValues['metrics'];
};
