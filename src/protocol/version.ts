/** The protocol version this build speaks, in the third byte of every frame. 0 is invalid. */
export const protocolVersion = 1;

/** The oldest version still understood: the previous one, once there is one. */
export const oldestVersion = 1;

/**
 * The version a conversation uses: the highest one that both this build and a peer that speaks
 * `minVersion` to `maxVersion` know, or undefined where there is none.
 */
export function negotiateVersion(minVersion: number, maxVersion: number): number | undefined {
  const version = Math.min(maxVersion, protocolVersion);
  return version >= Math.max(minVersion, oldestVersion) ? version : undefined;
}
