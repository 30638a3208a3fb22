import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import { FerryError } from '../errors.js';
import type { Credentials } from './credentials.js';

/** PEM texts: who signs for both ends, and what this end shows. */
export interface Certificates {
  readonly ca: string | Uint8Array;
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  /** Names the other end's certificate may have (common name or DNS name). Default: for a source the host it connects to, for a listener any name. */
  readonly allow?: readonly string[] | undefined;
}

/** Each end shows a certificate of the same authority. */
export class CertificateCredentials implements Credentials {
  readonly #pem: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
  readonly #allow: readonly string[] | undefined;

  /** TypeError where the texts are no certificates, or the key is not the certificate's. */
  constructor({ ca, cert, key, allow }: Certificates) {
    this.#pem = { ca: Buffer.from(ca), cert: Buffer.from(cert), key: Buffer.from(key) };
    this.#allow = allow;
    try {
      for (const pem of [this.#pem.ca, this.#pem.cert]) new X509Certificate(pem);
      createSecureContext(this.#pem);
    } catch (error) {
      // Its cause could repeat what is in the files.
      const reason = error instanceof Error && 'reason' in error ? `: ${error.reason}` : '';
      throw new TypeError(`not a CA, a certificate and its key in PEM${reason}`);
    }
  }

  client(host: string): ConnectionOptions {
    return {
      ...this.#pem,
      // A server name is a name (RFC 6066).
      ...(isIP(host) === 0 ? { servername: host } : {}),
      checkServerIdentity: (_, certificate) =>
        this.#allow === undefined
          ? checkServerIdentity(host, certificate)
          : this.#refusal(certificate),
    };
  }

  server(): TlsOptions {
    return { ...this.#pem, requestCert: true, rejectUnauthorized: true };
  }

  identify(socket: TLSSocket, role: 'client' | 'server'): string {
    if (socket.isSessionReused()) {
      throw new FerryError('ERR_AUTH', 'an earlier TLS session was replayed');
    }
    const certificate = socket.getPeerCertificate();
    const [name] = namesOf(certificate);
    if (!socket.authorized || name === undefined) {
      throw new FerryError('ERR_AUTH', 'the other end shows no certificate of this authority');
    }
    const refusal = role === 'server' ? this.#refusal(certificate) : undefined;
    if (refusal !== undefined) throw refusal;
    return `certificate ${name}`;
  }

  #refusal(certificate: PeerCertificate): FerryError | undefined {
    const names = namesOf(certificate);
    if (this.#allow?.some((name) => names.includes(name)) ?? true) return undefined;
    return new FerryError('ERR_AUTH', `${JSON.stringify(names[0])} is not among the allowed names`);
  }
}

/** Common name and DNS names. */
function namesOf({ subject, subjectaltname = '' }: PeerCertificate): string[] {
  const common: unknown = subject?.CN;
  // Node quotes what could be taken for a separator; such a name is none we would allow.
  const alternative = subjectaltname
    .split(', ')
    .filter((entry) => entry.startsWith('DNS:'))
    .map((entry) => entry.slice('DNS:'.length));
  return [...[common].flat().filter((name) => typeof name === 'string'), ...alternative];
}
