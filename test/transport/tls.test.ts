import { createServer as createPlain, connect as dialPlain, type Socket } from 'node:net';
import { type ConnectionOptions, createServer, connect as openTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Authority, type Issued } from '../../src/cli/authority.js';
import { FerryError } from '../../src/errors.js';
import { encodeMessage } from '../../src/protocol/index.js';
import {
  CertificateCredentials,
  type Channel,
  type Credentials,
  connectTcp,
  connectTls,
  listenTcp,
  listenTls,
  type TcpListener,
  Token,
  TokenCredentials,
} from '../../src/transport/index.js';
import { type ChannelPair, channelConformance } from '../conformance/channel.js';

const frame = encodeMessage({ type: 'PING', token: 1 }, { seq: 1, round: 0, attempt: 1 });
const host = '127.0.0.1';
const { token } = Token.make();
const byToken: TokenCredentials = new TokenCredentials(token);
let ours: Authority;
let theirs: Authority;
const source: { issued: Issued; credentials: Credentials } = {
  issued: { cert: '', key: '' },
  credentials: byToken,
};
let listenerCertificate: Issued;

/** Credentials of `authority` for `name`. */
async function certified(
  authority: Authority,
  name: string,
  { days = 30, allow }: { days?: number; allow?: readonly string[] } = {},
): Promise<Credentials> {
  const now = Date.now() - (days < 0 ? -2 * days * 86_400_000 : 0);
  const issued = await authority.issue(name, Math.abs(days), now);
  return new CertificateCredentials({ ...issued, ca: authority.pem, allow });
}

beforeAll(async () => {
  ours = (await Authority.make()).authority;
  theirs = (await Authority.make()).authority;
  source.issued = await ours.issue('source', 30);
  listenerCertificate = await ours.issue(host, 30);
});

interface Door {
  readonly listener: TcpListener;
  readonly welcomed: Channel[];
  readonly refused: { readonly error: FerryError; readonly from: string }[];
}

const listeners: { close(): unknown }[] = [];
const opened: { destroy(): void }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) one.destroy();
  for (const one of listeners.splice(0)) await one.close();
});

async function open(credentials: Credentials): Promise<Door> {
  const welcomed: Channel[] = [];
  const refused: { error: FerryError; from: string }[] = [];
  const listener = await listenTls({
    host,
    port: 0,
    credentials,
    onChannel(channel) {
      opened.push(channel);
      welcomed.push(channel);
    },
    onRefused: (error, from) => refused.push({ error, from }),
  });
  listeners.push(listener);
  return { listener, welcomed, refused };
}

async function pairOver(client: Credentials, server: Credentials): Promise<ChannelPair> {
  const door = await open(server);
  const a = await connectTls({ host, port: door.listener.port, credentials: client });
  opened.push(a);
  await expect.poll(() => door.welcomed.length).toBe(1);
  const [b] = door.welcomed;
  if (b === undefined) throw new Error('nobody came');
  return { a, b, dispose: () => door.listener.close() };
}

/** What becomes of a client that is refused: while it connects, or, as TLS 1.3 lets it finish first, at its first word; there the end may say nothing. */
async function refusal(
  port: number,
  credentials: Credentials,
): Promise<FerryError | 'ended' | undefined> {
  try {
    const channel = await connectTls({ host, port, credentials });
    opened.push(channel);
    return await new Promise((resolve) => {
      channel.onClose = (reason) => resolve(reason ?? 'ended');
      channel.onFrame = () => resolve(undefined);
      channel.send(frame);
    });
  } catch (error) {
    if (error instanceof FerryError) return error;
    throw error;
  }
}

function codeOf(end: FerryError | 'ended' | undefined): string | undefined {
  return end instanceof FerryError ? end.code : end;
}

channelConformance('a TLS channel by token', () => pairOver(byToken, byToken));
channelConformance('a TLS channel by certificates', async () =>
  pairOver(await certified(ours, 'source'), await certified(ours, host)),
);

describe('TLS by token', () => {
  it('proves both ends, and gives them a secret that no other connection has', async () => {
    const context = Uint8Array.of(1, 2, 3);
    const first = await pairOver(byToken, byToken);
    const second = await pairOver(byToken, byToken);
    expect(first.a.peer?.identity).toBe(`token ${token.id}`);
    expect(first.b.peer?.identity).toBe(`token ${token.id}`);
    const secret = first.a.peer?.exportSecret(context);
    expect(secret).toHaveLength(32);
    expect(first.b.peer?.exportSecret(context)).toEqual(secret);
    expect(first.a.peer?.exportSecret(Uint8Array.of(1, 2))).not.toEqual(secret);
    expect(second.a.peer?.exportSecret(context)).not.toEqual(secret);
  });

  it('refuses another token on both ends, and says so once', async () => {
    const { listener, refused, welcomed } = await open(byToken);
    const other = new TokenCredentials(Token.make().token);
    expect(codeOf(await refusal(listener.port, other))).toBe('ERR_AUTH');
    await expect.poll(() => refused.length).toBe(1);
    expect(refused[0]?.error.code).toBe('ERR_AUTH');
    expect(refused[0]?.from).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(welcomed).toEqual([]);
  });

  it('refuses the right name with the wrong key', async () => {
    const { listener, refused } = await open(byToken);
    const { identity } = token;
    const liar = raw(listener.port, {
      pskCallback: () => ({ identity, psk: Buffer.alloc(32, 1) }),
    });
    await expect(liar).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_SSL/) });
    await expect.poll(() => refused[0]?.error.code).toBe('ERR_AUTH');
  });

  it('refuses a certificate in place of the token, and the reverse', async () => {
    const door = await open(byToken);
    const certificates = await certified(ours, 'source', { allow: [host] });
    expect(codeOf(await refusal(door.listener.port, certificates))).toBe('ERR_AUTH');
    await expect.poll(() => door.refused[0]?.error.code).toBe('ERR_AUTH');
    const other = await open(await certified(ours, host));
    expect(codeOf(await refusal(other.listener.port, byToken))).toBe('ERR_AUTH');
    await expect.poll(() => other.refused[0]?.error.code).toBe('ERR_AUTH');
  });

  it('refuses a listener that shows a certificate everybody would trust', async () => {
    const server = createServer({ ...listenerCertificate, minVersion: 'TLSv1.3' });
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    listeners.push(server);
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const trusting: Credentials = {
      client: () => ({ ...byToken.client(), ca: ours.pem }),
      server: () => byToken.server(),
      identify: (socket, role) => byToken.identify(socket, role),
    };
    const refused = await refusal(port, trusting);
    expect(refused).toMatchObject({
      code: 'ERR_AUTH',
      message: expect.stringContaining('shows a certificate'),
    });
  });

  it('refuses an earlier version, and any other cipher', async () => {
    const { listener, refused } = await open(byToken);
    const psk = byToken.client();
    for (const weaker of [
      { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
      { minVersion: 'TLSv1.3', ciphers: 'TLS_CHACHA20_POLY1305_SHA256' },
    ] satisfies ConnectionOptions[]) {
      await expect(raw(listener.port, { ...psk, ...weaker })).rejects.toThrow(
        /alert|handshake|cipher/i,
      );
    }
    await expect.poll(() => refused.length).toBe(2);
    expect(refused.map(({ error }) => error.code)).toEqual(['ERR_AUTH', 'ERR_AUTH']);
  });

  it('takes up no earlier session', async () => {
    const { listener, refused, welcomed } = await open(byToken);
    const sessions: Buffer[] = [];
    const first = await raw(listener.port, byToken.client(), (session) => sessions.push(session));
    await expect.poll(() => welcomed.length).toBe(1);
    welcomed[0]?.send(frame);
    await new Promise((resolve) => first.once('data', resolve));
    // Whatever the listener gives out of itself, or keeps: it opens nothing without the token.
    const session = sessions[0] ?? first.getSession();
    const again = raw(listener.port, { session, checkServerIdentity: () => undefined });
    const replayed = await again.then(
      (socket) => new Promise((resolve) => socket.once('close', resolve)),
      (error: unknown) => error,
    );
    expect(replayed).toBeDefined();
    await expect.poll(() => refused[0]?.error.code).toBe('ERR_AUTH');
    expect(welcomed).toHaveLength(1);
  });
});

describe('TLS by certificates', () => {
  it('names both ends', async () => {
    const { a, b } = await pairOver(await certified(ours, 'source'), await certified(ours, host));
    expect([a.peer?.identity, b.peer?.identity]).toEqual([
      `certificate ${host}`,
      'certificate source',
    ]);
  });

  it('refuses another authority, none, one that has expired, and names that are not allowed', async () => {
    const door = await open(await certified(ours, host, { allow: ['source', 'other'] }));
    const { port } = door.listener;
    const wrong = {
      'another authority': await certified(theirs, 'source'),
      expired: await certified(ours, 'source', { days: -1 }),
      'not allowed': await certified(ours, 'stranger'),
    };
    for (const [why, credentials] of Object.entries(wrong)) {
      expect(await refusal(port, credentials), why).toBeDefined();
    }
    await expect.poll(() => door.refused.length).toBe(3);
    const bare = await raw(port, { ca: ours.pem, servername: '' }).then(
      (socket) => new Promise<Error>((resolve) => socket.once('error', resolve)),
      (error: unknown) => error,
    );
    expect(bare).toMatchObject({ code: expect.stringMatching(/^ERR_SSL/) });
    await expect.poll(() => door.refused.length).toBe(4);
    expect(new Set(door.refused.map(({ error }) => error.code))).toEqual(new Set(['ERR_AUTH']));
    expect(door.welcomed).toEqual([]);
  });

  it('a source refuses a listener of another authority, another name, or that has expired', async () => {
    const client = await certified(ours, 'source');
    for (const server of [
      await certified(theirs, host),
      await certified(ours, 'elsewhere.example'),
      await certified(ours, host, { days: -1 }),
    ]) {
      const { listener } = await open(server);
      expect(codeOf(await refusal(listener.port, client))).toBe('ERR_AUTH');
    }
    const named = await open(await certified(ours, 'elsewhere.example'));
    const choosy = await certified(ours, 'source', { allow: ['elsewhere.example'] });
    const channel = await connectTls({ host, port: named.listener.port, credentials: choosy });
    opened.push(channel);
    expect(channel.peer?.identity).toBe('certificate elsewhere.example');
  });

  it('takes texts that are no certificates for the mistake they are, without repeating them', () => {
    const { cert, key } = source.issued;
    const other = listenerCertificate.key;
    for (const wrong of [
      { ca: 'secret', cert, key },
      { ca: ours.pem, cert, key: 'secret' },
      { ca: ours.pem, cert: 'secret', key },
      { ca: ours.pem, cert, key: other },
    ]) {
      expect(() => new CertificateCredentials(wrong)).toThrow(TypeError);
      expect(() => new CertificateCredentials(wrong)).not.toThrow(/secret/);
    }
  });
});

describe('a listener that wants TLS', () => {
  it('refuses who speaks none, and who says nothing', async () => {
    const { listener, refused } = await open(byToken);
    const plain = await connectTcp({ host, port: listener.port });
    opened.push(plain);
    const ended = new Promise<FerryError | undefined>((resolve) => {
      plain.onClose = resolve;
    });
    plain.send(frame);
    await ended;
    await expect.poll(() => refused[0]?.error.code).toBe('ERR_AUTH');
    const silent = dialPlain(listener.port, host);
    opened.push(silent);
    await expect.poll(() => refused.length, { timeout: 20_000 }).toBe(2);
    expect(refused[1]?.error.code).toBe('ERR_AUTH');
  });

  it('is not taken for a peer by a listener without credentials, which says why', async () => {
    const ends: (FerryError | undefined)[] = [];
    const bare = await listenTcp({
      host,
      port: 0,
      onChannel(channel) {
        channel.onClose = (reason) => ends.push(reason);
      },
    });
    listeners.push(bare);
    await refusal(bare.port, byToken);
    await expect.poll(() => ends.length).toBe(1);
    expect(ends[0]).toMatchObject({
      code: 'ERR_NOT_A_PEER',
      message: expect.stringContaining('TLS'),
    });
  });
});

describe('a source that wants TLS', () => {
  it('gives up a listener that does not answer the handshake', async () => {
    const held: Socket[] = [];
    const silent = createPlain((socket) => held.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, host, resolve));
    listeners.push(silent);
    const address = silent.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const attempt = connectTls({ host, port, credentials: byToken });
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_PEER_TIMEOUT' });
    for (const socket of held) socket.destroy();
  });

  it('is given up when its signal aborts', async () => {
    const silent = createPlain(() => {});
    await new Promise<void>((resolve) => silent.listen(0, host, resolve));
    listeners.push(silent);
    const address = silent.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const aborting = new AbortController();
    const attempt = connectTls({ host, port, credentials: byToken, signal: aborting.signal });
    setTimeout(() => aborting.abort(), 100);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('a token', () => {
  it('is 32 bytes, in 43 characters', () => {
    const { token: made, text } = Token.make();
    expect(text).toMatch(/^[\w-]{43}$/);
    expect(Token.parse(` ${text}\n`).psk).toEqual(made.psk);
    expect(Token.parse(text).id).toBe(made.id);
    expect(made.psk).toHaveLength(32);
    expect(made.psk).not.toEqual(Token.make().token.psk);
  });

  it('is not shown by what cannot be one, by its printed form, or by what is derived from it', () => {
    const { token: made, text } = Token.make();
    for (const wrong of ['', text.slice(1), `${text}=`, `${text}a`, text.replace(/.$/, '!')]) {
      expect(() => Token.parse(wrong)).toThrow(TypeError);
      if (wrong !== '') expect(() => Token.parse(wrong)).not.toThrow(wrong);
    }
    const shown = `${JSON.stringify(made)} ${String(made)} ${made.identity} ${made.id}`;
    expect(shown).not.toContain(text);
    expect(shown).not.toContain(Buffer.from(text, 'base64url').toString('hex'));
  });
});

/** A TLS connection that does what it is told. */
function raw(
  port: number,
  options: ConnectionOptions,
  onSession: (session: Buffer) => void = () => {},
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = openTls({ host, port, ciphers: 'TLS_AES_128_GCM_SHA256', ...options });
    opened.push(socket);
    socket.on('session', onSession);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed in the handshake')));
    socket.once('secureConnect', () => resolve(socket));
  });
}
