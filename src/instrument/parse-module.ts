import { ByteReader } from './byte-reader.js';
import { readConstantExpression } from './constant-expression.js';
import {
  type Body,
  type Export,
  type FunctionType,
  type Global,
  type ImportName,
  kinds,
  type Memory,
  type Section,
  sectionIds,
  sectionOrder,
  type Table,
  type WasmModule,
} from './module.js';
import { readElementSegment } from './parse-elements.js';
import {
  readExport,
  readFunctionType,
  readGlobal,
  readMemory,
  readTable,
  readTag,
} from './parse-entries.js';
import { malformed, unsupported } from './refusals.js';
import { readSections } from './sections.js';

/** Reads what a module declares. ERR_GUEST where it is none, ERR_UNSUPPORTED for what is not known here. Code is not looked into. */
export function parseModule(bytes: Uint8Array): WasmModule {
  const parser = new Parser(bytes);
  let place = -1;
  for (const section of readSections(bytes)) {
    const { id, start } = section;
    if (id !== sectionIds.custom) {
      const rank = sectionOrder.indexOf(id);
      if (rank === -1) throw unsupported(`it has a section of unknown kind ${id}`);
      if (rank <= place) throw malformed(`section ${id} is not where it belongs`, start);
      place = rank;
    }
    parser.section(section);
  }
  return parser.finish();
}

/** What a module imports, also one that was instrumented. ERR_GUEST where it is none. */
export function readImports(bytes: Uint8Array): readonly ImportName[] {
  const parser = new Parser(bytes);
  for (const section of readSections(bytes)) {
    if (section.id === sectionIds.import) parser.section(section);
  }
  return parser.imports;
}

class Parser {
  readonly #bytes: Uint8Array;
  readonly #sections: Section[] = [];
  readonly #types: FunctionType[] = [];
  readonly #functions: number[] = [];
  readonly #tables: Table[] = [];
  readonly #memories: Memory[] = [];
  readonly #globals: Global[] = [];
  readonly #tags: number[] = [];
  readonly #imports: ImportName[] = [];
  readonly #exports: Export[] = [];
  readonly #referenced = new Set<number>();
  readonly #bodies: Body[] = [];
  #importedFunctions = 0;
  #start: number | undefined;
  #elementSegments = 0;
  #dataSegments = 0;
  #dataCount: number | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  section({ id, name, start, end }: Omit<Section, 'entriesStart' | 'entries'>): void {
    const reader = new ByteReader(this.#bytes, start, end);
    const isVector = id !== sectionIds.custom && id !== sectionIds.start;
    const isCount = id === sectionIds.dataCount;
    const entries = !isVector ? 0 : isCount ? reader.u32() : reader.count(1);
    this.#sections.push({ id, name, start, end, entriesStart: reader.at, entries });
    if (id === sectionIds.custom) return;
    if (id === sectionIds.start) this.#start = reader.u32();
    else if (isCount) this.#dataCount = entries;
    else for (let index = 0; index < entries; index++) this.#entry(id, reader);
    if (!reader.isAtEnd) throw malformed(`section ${id} is longer than what it says`, reader.at);
  }

  #entry(id: number, reader: ByteReader): void {
    switch (id) {
      case sectionIds.type:
        this.#types.push(readFunctionType(reader));
        break;
      case sectionIds.import:
        this.#import(reader);
        break;
      case sectionIds.function:
        this.#functions.push(reader.u32());
        break;
      case sectionIds.table:
        this.#tables.push(readTable(reader, null));
        break;
      case sectionIds.memory:
        this.#memories.push(readMemory(reader, null));
        break;
      case sectionIds.tag:
        this.#tags.push(readTag(reader));
        break;
      case sectionIds.global:
        this.#globals.push(readGlobal(reader, null));
        for (const index of readConstantExpression(reader)) this.#referenced.add(index);
        break;
      case sectionIds.export:
        this.#export(reader);
        break;
      case sectionIds.element:
        readElementSegment(reader, this.#referenced);
        this.#elementSegments++;
        break;
      case sectionIds.code: {
        const { at: start, end } = reader.part(reader.u32());
        this.#bodies.push({ start, end });
        break;
      }
      default:
        this.#data(reader);
    }
  }

  #import(reader: ByteReader): void {
    const name: ImportName = [reader.name(), reader.name()];
    this.#imports.push(name);
    const at = reader.at;
    const kind = reader.byte();
    switch (kind) {
      case kinds.function:
        this.#functions.push(reader.u32());
        this.#importedFunctions++;
        break;
      case kinds.table:
        this.#tables.push(readTable(reader, name));
        break;
      case kinds.memory:
        this.#memories.push(readMemory(reader, name));
        break;
      case kinds.global:
        this.#globals.push(readGlobal(reader, name));
        break;
      case kinds.tag:
        this.#tags.push(readTag(reader));
        break;
      default:
        throw malformed(`an import of kind ${kind}`, at);
    }
  }

  #export(reader: ByteReader): void {
    const entry = readExport(reader);
    this.#exports.push(entry);
    if (entry.kind === kinds.function) this.#referenced.add(entry.index);
  }

  #data(reader: ByteReader): void {
    const at = reader.at;
    const flags = reader.u32();
    if (flags > 2) throw malformed(`a data segment with flags ${flags}`, at);
    if (flags === 2 && reader.u32() !== 0) throw unsupported('it has more than one memory');
    if (flags !== 1) {
      for (const index of readConstantExpression(reader)) this.#referenced.add(index);
    }
    reader.skip(reader.u32());
    this.#dataSegments++;
  }

  get imports(): readonly ImportName[] {
    return this.#imports;
  }

  finish(): WasmModule {
    const imported = this.#importedFunctions;
    if (this.#functions.length - imported !== this.#bodies.length) {
      throw malformed(
        `${this.#functions.length - imported} functions, ${this.#bodies.length} bodies`,
      );
    }
    if (this.#memories.length > 1) throw unsupported('it has more than one memory');
    if (this.#dataCount !== undefined && this.#dataCount !== this.#dataSegments) {
      throw malformed(`${this.#dataCount} data segments are said, ${this.#dataSegments} are there`);
    }
    const functions = this.#functions.length;
    check([...this.#functions, ...this.#tags], this.#types.length, 'type');
    check([...this.#referenced], functions, 'function');
    if (this.#start !== undefined) check([this.#start], functions, 'function');
    const counts = [
      functions,
      this.#tables.length,
      this.#memories.length,
      this.#globals.length,
      this.#tags.length,
    ];
    for (const { kind, index } of this.#exports) check([index], counts[kind] ?? 0, 'export');
    return {
      bytes: this.#bytes,
      sections: this.#sections,
      types: this.#types,
      functions: this.#functions,
      importedFunctions: imported,
      tables: this.#tables,
      memories: this.#memories,
      globals: this.#globals,
      tags: this.#tags,
      imports: this.#imports,
      exports: this.#exports,
      start: this.#start,
      referenced: this.#referenced,
      elementSegments: this.#elementSegments,
      dataSegments: this.#dataSegments,
      bodies: this.#bodies,
    };
  }
}

function check(indices: readonly number[], count: number, what: string): void {
  for (const index of indices) {
    if (index >= count) throw malformed(`there is no ${what} ${index}`);
  }
}
