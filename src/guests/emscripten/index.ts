export { type EmscriptenGlueOptions, emscriptenGlue } from './glue.js';
export {
  type InstantiatedProgram,
  type ProgramInstance,
  type ProgramSource,
  programSource,
} from './instance.js';
export type { EmscriptenModule } from './module.js';
