export type { ProgramImports, ProgramInstance, ProgramMemory } from './ends.js';
export { type EmscriptenGlue, type EmscriptenGlueOptions, emscriptenGlue } from './glue.js';
export { type InstantiatedProgram, type ProgramSource, programSource } from './instance.js';
export type { EmscriptenModule } from './module.js';
