import { FerryError } from '../errors.js';
import {
  CertificateCredentials,
  type Certificates,
  type Credentials,
  isLoopbackHost,
  Token,
  TokenCredentials,
} from '../transport/index.js';

/** How the two ends know each other. None of it: plain TCP, on this machine only. */
export interface TrustOptions {
  /** A secret that both ends were given beforehand, 43 characters of base64url (`newToken`): TLS 1.3 with a key derived from it. */
  readonly token?: string;
  /** Mutual TLS 1.3: what this end shows, who signs for the other, and which names it may have. */
  readonly tls?: Certificates;
  /** Plain TCP to and from other machines too: nothing is authenticated or encrypted. Default false: ERR_NOT_LOOPBACK. */
  readonly insecure?: boolean;
}

/** A token for one listener and the source that is to reach it: 32 random bytes as 43 characters of base64url. Keep it as you keep a password. */
export function newToken(): string {
  return Token.make().text;
}

/** What the connections of these options prove themselves with; undefined: with nothing. TypeError for a malformed token, PEM texts that are none, or both. */
export function credentialsOf({ token, tls }: TrustOptions): Credentials | undefined {
  if (token !== undefined && tls !== undefined) {
    throw new TypeError('give a token or certificates, not both');
  }
  if (token !== undefined) return new TokenCredentials(Token.parse(token));
  if (tls !== undefined) return new CertificateCredentials(tls);
  return undefined;
}

/** ERR_NOT_LOOPBACK where `host` is, or is reached from, another machine, and nothing would be proved that may not be left out. */
export async function checkPlace(
  host: string,
  credentials: Credentials | undefined,
  insecure: boolean,
): Promise<void> {
  if (credentials !== undefined || insecure || (await isLoopbackHost(host))) return;
  throw new FerryError(
    'ERR_NOT_LOOPBACK',
    `${host} is not only this machine, and nothing would be authenticated or encrypted; give both sides a token or certificates, or pass insecure to do it all the same`,
  );
}
