import type { ConnectionOptions, TLSSocket, TlsOptions } from 'node:tls';
import { FerryError } from '../errors.js';
import type { Credentials } from './credentials.js';
import type { Token } from './token.js';

/**
 * Both ends know a token: TLS 1.3 with an external pre-shared key and a fresh Diffie-Hellman exchange (psk_dhe_ke), so that who learns the
 * token later cannot read what was recorded.
 */
export class TokenCredentials implements Credentials {
  readonly #token: Token;
  /** Sockets whose handshake asked for the key: one that goes on with the session of an earlier handshake would not. */
  readonly #asked = new WeakSet<TLSSocket>();

  constructor(token: Token) {
    this.#token = token;
  }

  client(): ConnectionOptions {
    const { identity, psk } = this.#token;
    // There is no certificate to check; one that is shown all the same is refused below.
    return { pskCallback: () => ({ identity, psk }), checkServerIdentity: () => undefined };
  }

  /** No certificate beside the key: a client could ask for that instead, and would need no key. */
  server(): TlsOptions {
    return {
      pskCallback: (socket, identity) => {
        if (identity !== this.#token.identity) return null;
        this.#asked.add(socket);
        return this.#token.psk;
      },
    };
  }

  identify(socket: TLSSocket, role: 'client' | 'server'): string {
    if (role === 'client' && Object.keys(socket.getPeerCertificate()).length > 0) {
      const what = 'the listener shows a certificate; this side was given a token';
      throw new FerryError('ERR_AUTH', what);
    }
    if (role === 'server' && !this.#asked.has(socket)) {
      throw new FerryError('ERR_AUTH', 'an earlier TLS session was replayed');
    }
    return `token ${this.#token.id}`;
  }
}
