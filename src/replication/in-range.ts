/** `value`, if it is `least` to `most`. RangeError naming it. */
export function inRange(name: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new RangeError(`${name} must be ${least} to ${most}, got ${value}`);
}
