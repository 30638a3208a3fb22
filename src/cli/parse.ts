import { InvalidArgumentError } from 'commander';
import { mostWorkers } from '../migration/options.js';
import { maxChannels } from '../protocol/limits.js';
import { mostPageThreads } from '../snapshot/page-crew.js';

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

/** Bytes: "4096", "300M", "5GiB" (powers of 1024), "1.5GB" (powers of 1000). */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = units[(match?.[2] ?? '?').toUpperCase()];
  const bytes = Math.round(Number(match?.[1]) * (unit ?? Number.NaN));
  if (!Number.isSafeInteger(bytes)) {
    throw new InvalidArgumentError('give bytes, as in 4096, 300M or 5GiB');
  }
  return bytes;
}

/** As `parseSize`, but not 0. */
export function parseRate(text: string): number {
  const bytes = parseSize(text);
  if (bytes === 0) throw new InvalidArgumentError('give more than 0 bytes a second');
  return bytes;
}

/** A number above 0. */
export function parsePositive(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0 && value < 1e12)) throw new InvalidArgumentError('give a number above 0');
  return value;
}

/** A whole number from 0 on. */
export function parseCount(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw new InvalidArgumentError('give a whole number');
  return value;
}

/** Seconds that a check of a bundle may take: its source waits a quarter of an hour. */
export function parseCheckTime(text: string): number {
  const seconds = parseCount(text);
  if (seconds < 1 || seconds > 600) throw new InvalidArgumentError('give 1 to 600 seconds');
  return seconds;
}

/** Where something random begins: u32. */
export function parseSeed(text: string): number {
  const seed = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seed < 2 ** 32)) throw new InvalidArgumentError('give a whole number below 2^32');
  return seed;
}

/** The id of another process. */
export function parsePid(text: string): number {
  const pid = parseCount(text);
  if (pid < 2) throw new InvalidArgumentError('give the id of a process');
  return pid;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** "127.0.0.1:4711", "name:4711", "[::1]:4711". Port 0 is left to the caller. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]\s]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65535)) {
    throw new InvalidArgumentError('give HOST:PORT, as in 127.0.0.1:4711 or [::1]:4711');
  }
  return { host, port };
}

/** The address of a peer to connect to. */
export function parseTarget(text: string): Address {
  const address = parseAddress(text);
  if (address.port === 0) throw new InvalidArgumentError('port 0 cannot be connected to');
  return address;
}

/** Addresses with commas between them. */
export function parseAddresses(text: string): [Address, ...Address[]] {
  return someOf(text, parseAddress);
}

/** As `parseAddresses`, of a peer to connect to. */
export function parseTargets(text: string): [Address, ...Address[]] {
  return someOf(text, parseTarget);
}

function someOf(text: string, parse: (one: string) => Address): [Address, ...Address[]] {
  const [first = '', ...others] = text.split(',');
  return [parse(first), ...others.map(parse)];
}

/** A number of connections, 1 to 16. */
export function parseConnections(text: string): number {
  const count = parseCount(text);
  if (count < 1 || count > maxChannels) {
    throw new InvalidArgumentError(`give a whole number from 1 to ${maxChannels}`);
  }
  return count;
}

/** A number of threads, 0 to 16. */
export function parseWorkers(text: string): number {
  const count = parseCount(text);
  if (count > mostWorkers) {
    throw new InvalidArgumentError(`give a whole number from 0 to ${mostWorkers}`);
  }
  return count;
}

/** Threads that work with a store, 1 to 4. */
export function parseStoreThreads(text: string): number {
  const count = parseCount(text);
  if (count < 1 || count > mostPageThreads) {
    throw new InvalidArgumentError(`give a whole number from 1 to ${mostPageThreads}`);
  }
  return count;
}

/** `host` and `port` as one text that `parseAddress` reads. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A session as events name it: 32 hex digits. */
export function parseSession(text: string): string {
  if (!/^[0-9a-f]{32}$/i.test(text)) {
    throw new InvalidArgumentError('give the 32 hex digits that in-doubt was reported with');
  }
  return text.toLowerCase();
}
