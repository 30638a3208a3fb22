/** The protocol version this build speaks, in the third byte of every frame. 0 is invalid. */
export const protocolVersion = 1;

/** The oldest version still understood: the previous one, once there is one. */
export const oldestVersion = 1;

/** Bits of HELLO and HELLO_ACK: what a peer can do besides what its version says. Both must have named what is to be used. */
export const capability = {
  /** PAGES may hold patches, and both ends keep the ring for them. */
  patches: 1,
  /** Connections beside the control channel may carry pages. */
  channels: 2,
  /** A state may be rehearsed, and said by how it differs from the one rehearsed last. */
  rehearsals: 4,
  /** The body of PAGES may be an LZ4 block. */
  lz4: 8,
  /** The destination may tell what it held before, so that only what differs is sent. */
  held: 16,
  /** A page channel that is lost is closed by itself, and its pages go on the others (CHANNEL_CLOSE). */
  reroutes: 32,
} as const;

/** What this build can do. */
export const ourCapabilities: number =
  capability.patches |
  capability.channels |
  capability.rehearsals |
  capability.lz4 |
  capability.held |
  capability.reroutes;

/**
 * The version a conversation uses: the highest one that both this build and a peer that speaks
 * `minVersion` to `maxVersion` know, or undefined where there is none.
 */
export function negotiateVersion(minVersion: number, maxVersion: number): number | undefined {
  const version = Math.min(maxVersion, protocolVersion);
  return version >= Math.max(minVersion, oldestVersion) ? version : undefined;
}
