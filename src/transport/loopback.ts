import { lookup } from 'node:dns/promises';
import { BlockList, isIPv6 } from 'node:net';
import { socketError } from './socket-errors.js';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Whether every address `host` (a name or an address) resolves to is this machine's own: 127/8, ::1,
 * or 127/8 mapped into IPv6. A name that does not resolve is ERR_CONNECTION_LOST.
 */
export async function isLoopbackHost(host: string): Promise<boolean> {
  const addresses = await lookup(host, { all: true }).catch((error: unknown) => {
    throw socketError(error, `cannot resolve ${host}`);
  });
  return addresses.every(({ address }) =>
    loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4'),
  );
}
