import type { Json } from './types.js';

/** An own field of an object; undefined where it is none, or has none. */
export function jsonField(json: Json | undefined, name: string): Json | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined;
  return Object.getOwnPropertyDescriptor(json, name)?.value;
}
