import { hkdfSync, randomBytes } from 'node:crypto';

const tokenBytes = 32;
const pskBytes = 32;
const idBytes = 12;
const text = /^[A-Za-z0-9_-]{43}$/;

/**
 * A secret that both ends were given beforehand: 32 random bytes, as text 43 characters of base64url. What TLS needs is derived from it with
 * HKDF-SHA256 (RFC 5869); the token itself is never sent, and never part of a message, an event or an error.
 */
export class Token {
  /** Names the listener the token was made for, and says nothing else of it: 24 hex digits. */
  readonly id: string;
  readonly #secret: Uint8Array;

  private constructor(secret: Uint8Array) {
    this.#secret = secret;
    this.id = this.#derive('listener', '', idBytes).toString('hex');
  }

  /** A new one, and its text. */
  static make(): { readonly token: Token; readonly text: string } {
    const secret = randomBytes(tokenBytes);
    return { token: new Token(secret), text: secret.toString('base64url') };
  }

  /** Reads a token's text, white space around it left out. TypeError, which does not repeat the text. */
  static parse(input: string): Token {
    const trimmed = input.trim();
    if (!text.test(trimmed)) {
      throw new TypeError(`a token is ${tokenBytes} bytes as 43 characters of base64url`);
    }
    return new Token(Buffer.from(trimmed, 'base64url'));
  }

  /** What a source names itself in the handshake (TLS 1.3, RFC 8446, 4.2.11). */
  get identity(): string {
    return `pageferry source ${this.id}`;
  }

  /** The pre-shared key of a source's connections to this listener: a key of the other direction, or of another listener, is another one. */
  get psk(): Buffer {
    return this.#derive(this.identity, this.id, pskBytes);
  }

  #derive(purpose: string, salt: string, bytes: number): Buffer {
    return Buffer.from(
      hkdfSync('sha256', this.#secret, salt, `pageferry token 1 ${purpose}`, bytes),
    );
  }
}
