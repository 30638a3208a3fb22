import { ByteReader } from './byte-reader.js';
import { type Section, sectionIds } from './module.js';
import { malformed, unsupported } from './refusals.js';

const magic = [0x00, 0x61, 0x73, 0x6d] as const;
const moduleVersion = [1, 0, 0, 0] as const;
/** Magic and version. */
export const headerBytes = 8;

/** Where each section of a module is, in the order of the file. ERR_GUEST where it is no module. */
export function* readSections(
  bytes: Uint8Array,
): Generator<Omit<Section, 'entriesStart' | 'entries'>> {
  readHeader(bytes);
  const reader = new ByteReader(bytes, headerBytes, bytes.length);
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const content = reader.part(reader.u32());
    const name = id === sectionIds.custom ? content.name() : undefined;
    yield { id, name, start: content.at, end: content.end };
  }
}

function readHeader(bytes: Uint8Array): void {
  const has = (part: readonly number[], from: number): boolean =>
    part.every((byte, index) => bytes[from + index] === byte);
  if (!has(magic, 0)) throw malformed('it does not begin as one', 0);
  if (has(moduleVersion, magic.length)) return;
  if (bytes.length >= headerBytes && bytes[6] === 1) {
    throw unsupported('it is a component, not a module');
  }
  throw malformed('it is of an unknown version', magic.length);
}
