import type { EtcdTls } from './etcd-connections.js';
import type { EtcdAccess } from './etcd-gateway.js';

export interface EtcdOptions {
  /** URLs of the members' client ports, 1 to 16: `http:` or `https:`, with host and port only. The next one is asked where one does not answer. */
  readonly endpoints: readonly string[];
  /** Before the names of guests: 1 to 128 letters, digits, ".", "_", "-", "/"; default "pageferry". */
  readonly prefix?: string | undefined;
  /** How long a lease lasts: whole seconds, 2,000 to 3,600,000 ms; default 10,000. */
  readonly ttlMs?: number | undefined;
  /** How long a call may take, milliseconds: 10 to `ttlMs`; default a third of `ttlMs`. */
  readonly timeoutMs?: number | undefined;
  /** With `password`: who etcd's own authentication knows. They are as secret as the endpoints are `https:`. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** For `https:` endpoints. */
  readonly tls?: EtcdTls | undefined;
}

export interface ResolvedEtcdOptions extends EtcdAccess {
  readonly prefix: string;
  readonly ttlMs: number;
  readonly timeoutMs: number;
}

const mostEndpoints = 16;
const prefixPattern = /^[A-Za-z0-9._/-]{1,128}$/;

/** RangeError for what cannot be. */
export function resolveEtcdOptions(options: EtcdOptions): ResolvedEtcdOptions {
  const { endpoints, prefix = 'pageferry', ttlMs = 10_000, user, password, tls } = options;
  const { timeoutMs = ttlMs / 3 } = options;
  if (!Array.isArray(endpoints) || endpoints.length < 1 || endpoints.length > mostEndpoints) {
    throw new RangeError(`endpoints: 1 to ${mostEndpoints} are needed`);
  }
  if (!prefixPattern.test(prefix)) throw new RangeError('prefix');
  if (!Number.isInteger(ttlMs / 1000) || ttlMs < 2000 || ttlMs > 3_600_000) {
    throw new RangeError(`ttlMs ${ttlMs}: whole seconds from 2,000 to 3,600,000`);
  }
  if (!(timeoutMs >= 10 && timeoutMs <= ttlMs)) {
    throw new RangeError(`timeoutMs ${timeoutMs}: from 10 to ttlMs`);
  }
  if ((user === undefined) !== (password === undefined)) {
    throw new RangeError('user and password: both or none');
  }
  if ((tls?.cert === undefined) !== (tls?.key === undefined)) {
    throw new RangeError('tls: cert and key: both or none');
  }
  const urls = endpoints.map(urlOf);
  if (tls !== undefined && urls.some(({ protocol }) => protocol !== 'https:')) {
    throw new RangeError('tls: every endpoint has to be https:');
  }
  const login = user === undefined || password === undefined ? undefined : { user, password };
  return { endpoints: urls, prefix, ttlMs, timeoutMs, login, tls: tls ?? {} };
}

function urlOf(endpoint: string): URL {
  if (!URL.canParse(endpoint)) throw new RangeError('an endpoint that is no URL');
  const url = new URL(endpoint);
  const isBare = url.href === `${url.protocol}//${url.host}/`;
  if (!isBare || !['http:', 'https:'].includes(url.protocol)) {
    throw new RangeError(`endpoint ${url.host}: http: or https:, host and port only`);
  }
  return url;
}
