import { addedBody, addedTypeOf, addedTypes } from './added-functions.js';
import { ByteWriter } from './byte-writer.js';
import { type AddedIndices, constant, op } from './code-emitter.js';
import type { Findings } from './findings.js';
import type { HiddenState } from './hidden-state.js';
import { layoutSection } from './layout.js';
import { type Section, sectionIds, sectionOrder, type WasmModule } from './module.js';
import type { MapPlan } from './place.js';
import { headerBytes } from './sections.js';
import { valueTypes } from './value-types.js';

const functionForm = 0x60;
const functionTable = { flags: 2, kind: 0 } as const;
const limits = { minAndMax: 1, shared: 2 } as const;
/** Tells the loader of an emscripten side module what to load: it must be the first section. */
const dynamicLinking = /^dylink(\.0)?$/;
/** Custom sections that speak of bytes of the code, which have moved. */
const staleSections =
  /^(\.debug_|reloc\.|metadata\.code\.|linking$|sourceMappingURL$|external_debug_info$)/;

/** Everything that the emitted module is made of. */
export interface Emission {
  readonly module: WasmModule;
  readonly findings: Findings;
  readonly plan: MapPlan;
  readonly hidden: HiddenState;
  readonly indices: AddedIndices;
  /** The module's own functions, rewritten, each with its length. */
  readonly code: ByteWriter;
  readonly startIsKept: boolean;
}

/** Whether a custom section does not speak of what has moved. */
export function isStillTrue(name: string): boolean {
  return !staleSections.test(name);
}

/** Writes the whole module. */
export function emitModule(emission: Emission): Uint8Array<ArrayBuffer> {
  const { module, code, hidden } = emission;
  const out = new ByteWriter(module.bytes.length + code.length + 65_536);
  out.copy(module.bytes, 0, headerBytes);
  const customs = module.sections.filter(({ name }) => name !== undefined && isStillTrue(name));
  const isFirst = ({ name = '' }: Section): boolean => dynamicLinking.test(name);
  for (const section of customs.filter(isFirst)) copyCustom(module, section, out);
  for (const id of sectionOrder) emitSection(id, emission, out);
  for (const section of customs) {
    if (!isFirst(section)) copyCustom(module, section, out);
  }
  const layout = new ByteWriter();
  layout.name(layoutSection);
  const json = new TextEncoder().encode(JSON.stringify(hidden.layout));
  layout.copy(json, 0, json.length);
  append(out, sectionIds.custom, layout);
  return out.written.slice();
}

function copyCustom({ bytes }: WasmModule, { name, start, end }: Section, out: ByteWriter): void {
  const content = new ByteWriter(end - start + 64);
  content.name(name ?? '');
  content.copy(bytes, start, end);
  append(out, sectionIds.custom, content);
}

function append(out: ByteWriter, id: number, content: ByteWriter): void {
  out.byte(id);
  out.u32(content.length);
  out.append(content);
}

/** A section as it was, with entries added behind its own; where it has none, only those; where there are none either, nothing. */
function emitSection(id: number, emission: Emission, out: ByteWriter): void {
  const { module, code } = emission;
  const section = module.sections.find((one) => one.id === id);
  if (id === sectionIds.start) {
    if (section !== undefined && emission.startIsKept) copySection(module, section, out);
    return;
  }
  const replaced = replacedEntries(id, emission);
  const added = addedEntries(id, emission);
  const own = id === sectionIds.code ? code : replaced;
  if (section === undefined && added.count === 0) return;
  if (own === undefined && added.count === 0) {
    if (section !== undefined) copySection(module, section, out);
    return;
  }
  const content = new ByteWriter(16 + (own?.length ?? 0) + added.content.length);
  content.u32((section?.entries ?? 0) + added.count);
  if (own !== undefined) content.append(own);
  else if (section !== undefined) content.copy(module.bytes, section.entriesStart, section.end);
  content.append(added.content);
  append(out, id, content);
}

function copySection({ bytes }: WasmModule, { id, start, end }: Section, out: ByteWriter): void {
  out.byte(id);
  out.u32(end - start);
  out.copy(bytes, start, end);
}

/** A defined memory that has the map behind its maximum. */
function replacedEntries(id: number, { module, plan }: Emission): ByteWriter | undefined {
  if (id !== sectionIds.memory || plan.place !== 'behind-maximum') return undefined;
  if (module.memories[0]?.import !== null) return undefined;
  return memoryEntry(plan.maxPages + plan.mapPages, false);
}

function memoryEntry(pages: number, shared: boolean): ByteWriter {
  const entry = new ByteWriter();
  entry.byte(limits.minAndMax | (shared ? limits.shared : 0));
  entry.u32(pages);
  entry.u32(pages);
  return entry;
}

function addedEntries(id: number, emission: Emission): { count: number; content: ByteWriter } {
  const { module, plan, hidden, findings } = emission;
  const content = new ByteWriter();
  let count = 0;
  const add = (write: () => void): void => {
    write();
    count++;
  };
  switch (id) {
    case sectionIds.type:
      for (const { params, results } of addedTypes) {
        add(() => {
          content.byte(functionForm);
          for (const types of [params, results]) {
            content.u32(types.length);
            content.code(...types);
          }
        });
      }
      break;
    case sectionIds.function:
      for (const one of hidden.functions) {
        add(() => content.u32(module.types.length + addedTypeOf(one)));
      }
      break;
    case sectionIds.table:
      if (hidden.layout.functions === null) break;
      add(() => {
        content.code(valueTypes.funcref, limits.minAndMax);
        content.u32(hidden.referenced.length);
        content.u32(hidden.referenced.length);
      });
      break;
    case sectionIds.memory:
      if (plan.place !== 'second-memory') break;
      add(() => content.append(memoryEntry(plan.mapPages, module.memories[0]?.shared === true)));
      break;
    case sectionIds.global:
      if (plan.place === 'behind-maximum') {
        add(() => i32Global(content, plan.startPages));
      }
      for (const _ of findings.drops) add(() => i32Global(content, 0));
      break;
    case sectionIds.export:
      for (const { name, kind, index } of hidden.exports) {
        add(() => {
          content.name(name);
          content.byte(kind);
          content.u32(index);
        });
      }
      break;
    case sectionIds.element:
      if (hidden.layout.functions === null) break;
      add(() => {
        content.u32(functionTable.flags);
        content.u32(module.tables.length);
        constant(content, 0);
        content.code(op.end, functionTable.kind);
        content.u32(hidden.referenced.length);
        for (const index of hidden.referenced) content.u32(index);
      });
      break;
    case sectionIds.code:
      for (const one of hidden.functions) {
        add(() => {
          const body = addedBody(one, emission.indices, plan, findings.drops);
          content.u32(body.length);
          content.append(body);
        });
      }
      break;
    default:
  }
  return { count, content };
}

/** A mutable global that begins as `value`. */
function i32Global(content: ByteWriter, value: number): void {
  content.code(valueTypes.i32, 1);
  constant(content, value);
  content.byte(op.end);
}
