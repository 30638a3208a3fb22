import { constants } from 'node:crypto';
import { createServer, connect as openTls, type Server, type TLSSocket } from 'node:tls';
import { asFerryError, FerryError } from '../errors.js';
import type { Channel, ChannelPeer } from './channel.js';
import type { Credentials } from './credentials.js';
import { dial, settled, type TcpConnectOptions } from './dial.js';
import type { Visit } from './doorkeeper.js';
import { Intake } from './intake.js';
import { noteDialled, refuseReflected } from './reflection.js';
import { type ServeOptions, serve, type TcpListener } from './serve.js';
import { addressOf, readEvents, socketChannel } from './socket-channel.js';
import { socketError } from './socket-errors.js';

const handshakeTimeoutMs = 5000;
/** What every handshake has: one version, one cipher, nothing kept for a later connection. */
const settings = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const;
const exporterLabel = 'EXPORTER-pageferry';
const exportedBytes = 32;
const reflectionContext: Buffer = Buffer.from('reflection');

export interface TlsConnectOptions extends TcpConnectOptions {
  readonly credentials: Credentials;
}

/**
 * Connects as `connectTcp` does, then both ends prove who they are. ERR_AUTH: this end does not accept the other, or the other does not
 * accept this one; a listener that wants certificates may find that out only when the channel is there, and ends it before any frame.
 */
export async function connectTls(options: TlsConnectOptions): Promise<Channel> {
  const { host, port, credentials, signal } = options;
  const raw = await dial(options);
  const socket = openTls({ ...settings, ...credentials.client(host), socket: raw, host });
  const what = `TLS connection to ${host}:${port}`;
  await settled(socket, 'secureConnect', what, { signal, timeoutMs: handshakeTimeoutMs });
  try {
    const identity = credentials.identify(socket, 'client');
    noteDialled(socket, exported(socket, reflectionContext));
    return secureChannel(socket, new Intake(), identity);
  } catch (error) {
    socket.destroy();
    throw asFerryError(error, 'ERR_AUTH');
  }
}

export interface TlsListenOptions extends ServeOptions {
  readonly credentials: Credentials;
  /** Called with each connection whose source proved itself; set the channel's callbacks before it returns. */
  readonly onChannel: (channel: Channel, visit: Visit) => void;
  /** Called with why a connection did not, and where it came from. */
  readonly onRefused: (error: FerryError, from: string) => void;
}

/** Listens for peers that prove themselves. ERR_IO: the address cannot be listened on; ERR_ABORTED. */
export function listenTls(options: TlsListenOptions): Promise<TcpListener> {
  const { credentials, onChannel, onRefused, areaBytes } = options;
  const door: Server = createServer({
    ...settings,
    ...credentials.server(),
    handshakeTimeout: handshakeTimeoutMs,
  });
  /** Connections whose handshake is under way. Node does not say which of them a TLS socket stands on. */
  const shaking = new Map<string, Visit>();
  /** The visit that `end` was under way with; each is told of once. */
  const settle = (end: string): Visit | undefined => {
    const visit = shaking.get(end);
    shaking.delete(end);
    return visit;
  };
  const refuse = (cause: unknown, visit: Visit | undefined): void => {
    if (visit === undefined) return;
    // Whatever became of it: who it was is not known.
    const { message } = socketError(cause, 'no TLS');
    onRefused(new FerryError('ERR_AUTH', message, { cause }), visit.from);
  };
  door.on('tlsClientError', (error, socket) => {
    socket.destroy();
    refuse(error, settle(addressOf(socket)));
  });
  door.on('secureConnection', (socket) => {
    const visit = settle(addressOf(socket));
    if (visit === undefined) {
      socket.destroy();
      return;
    }
    try {
      const identity = credentials.identify(socket, 'server');
      refuseReflected(socket, exported(socket, reflectionContext));
      onChannel(secureChannel(socket, new Intake(areaBytes), identity), visit);
    } catch (error) {
      socket.destroy();
      refuse(error, visit);
    }
  });
  return serve(options, (socket, visit) => {
    const end = addressOf(socket);
    visit.follow(socket);
    visit.onDismissed = (reason) => {
      settle(end);
      socket.destroy();
      onRefused(reason, visit.from);
    };
    socket.once('close', () => {
      if (shaking.get(end) === visit) refuse(new Error('closed'), settle(end));
    });
    shaking.set(end, visit);
    door.emit('connection', socket);
  });
}

function exported(socket: TLSSocket, context: Uint8Array): Buffer {
  return socket.exportKeyingMaterial(exportedBytes, exporterLabel, Buffer.from(context));
}

function secureChannel(socket: TLSSocket, intake: Intake, identity: string): Channel {
  const peer: ChannelPeer = {
    identity,
    exportSecret: (context) => exported(socket, context),
  };
  const channel = socketChannel(socket, intake, peer);
  readEvents(socket, intake);
  return channel;
}
