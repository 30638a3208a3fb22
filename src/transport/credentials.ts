import type { ConnectionOptions, TLSSocket, TlsOptions } from 'node:tls';

/** What an end shows in a TLS handshake, and what it wants to be shown. */
export interface Credentials {
  /** For a source that connects to `host`. */
  client(host: string): ConnectionOptions;
  /** For a listener. */
  server(): TlsOptions;
  /** Who a finished handshake proved the other end to be: "token ID" or "certificate NAME". ERR_AUTH: nobody that is accepted here. */
  identify(socket: TLSSocket, role: 'client' | 'server'): string;
}
