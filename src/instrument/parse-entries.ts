import type { ByteReader } from './byte-reader.js';
import {
  type Export,
  type FunctionType,
  type Global,
  type ImportName,
  kinds,
  type Memory,
  mostWasmPages,
  type Table,
} from './module.js';
import { malformed, unsupported } from './refusals.js';
import { readReferenceType, readValueType } from './value-types.js';

const functionForm = 0x60;
/** Forms of types that other proposals brought. */
const strangeForms = new Map([
  [0x4e, 'GC (recursive types)'],
  [0x4f, 'GC (subtypes)'],
  [0x50, 'GC (subtypes)'],
  [0x5d, 'stack switching (continuations)'],
  [0x5e, 'GC (arrays)'],
  [0x5f, 'GC (structs)'],
  [0x65, 'shared everything (shared types)'],
]);
/** As many parameters or results no engine takes. */
const mostValues = 1000;

export function readFunctionType(reader: ByteReader): FunctionType {
  const at = reader.at;
  const form = reader.byte();
  if (form !== functionForm) {
    const strange = strangeForms.get(form);
    if (strange !== undefined) throw unsupported(`it uses ${strange}`);
    throw malformed(`no form of types is 0x${form.toString(16)}`, at);
  }
  return { params: readTypes(reader), results: readTypes(reader) };
}

function readTypes(reader: ByteReader): number[] {
  const at = reader.at;
  const count = reader.count(1);
  if (count > mostValues) throw malformed(`${count} parameters or results`, at);
  return Array.from({ length: count }, () => readValueType(reader));
}

/** What a limit's flags may say (core specification, 5.3.9, and the proposals since). */
function readLimits(
  reader: ByteReader,
  what: string,
): { flags: number; min: number; max?: number } {
  const at = reader.at;
  const flags = reader.byte();
  if (flags & 4) throw unsupported(`it uses memory64 (a ${what} of 64-bit addresses)`);
  if (flags & 8) throw unsupported(`it uses custom page sizes`);
  if (flags > 3) throw malformed(`limits of a ${what} with flags ${flags}`, at);
  const min = reader.u32();
  if ((flags & 1) === 0) return { flags, min };
  const max = reader.u32();
  if (max < min) throw malformed(`a ${what} of at least ${min} and at most ${max}`, at);
  return { flags, min, max };
}

export function readTable(reader: ByteReader, from: ImportName | null): Table {
  if (from === null && reader.bytes[reader.at] === 0x40) {
    throw unsupported('it uses typed references (a table with an initial value)');
  }
  const type = readReferenceType(reader);
  const at = reader.at;
  const { flags, min, max } = readLimits(reader, 'table');
  if (flags > 1) throw malformed('a shared table', at);
  return { type, min, max, import: from };
}

export function readMemory(reader: ByteReader, from: ImportName | null): Memory {
  const at = reader.at;
  const { flags, min, max } = readLimits(reader, 'memory');
  if (min > mostWasmPages || (max ?? 0) > mostWasmPages) {
    throw malformed('a memory of more than 4 GiB', at);
  }
  if (flags === 2) throw malformed('a shared memory without a maximum', at);
  return { min, max, shared: (flags & 2) !== 0, import: from };
}

export function readGlobal(reader: ByteReader, from: ImportName | null): Global {
  const type = readValueType(reader);
  const at = reader.at;
  const mutability = reader.byte();
  if (mutability > 1) throw malformed(`a global of mutability ${mutability}`, at);
  return { type, mutable: mutability === 1, import: from };
}

/** The index of the type of a tag. */
export function readTag(reader: ByteReader): number {
  const at = reader.at;
  if (reader.byte() !== 0) throw malformed('a tag that is no exception', at);
  return reader.u32();
}

export function readExport(reader: ByteReader): Export {
  const name = reader.name();
  const at = reader.at;
  const kind = reader.byte();
  if (kind > kinds.tag) throw malformed(`an export of kind ${kind}`, at);
  return { name, kind, index: reader.u32() };
}
