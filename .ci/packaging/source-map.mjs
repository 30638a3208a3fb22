import { decode, encode } from '@jridgewell/sourcemap-codec';
import { parseSync } from 'rolldown/utils';

/** Written by assembly/build.mjs: nothing to read in them. */
const generated = /\.wasm\.ts$/;

/** What no code comes from. The declarations beside the code say it: docs and types are not shipped twice. */
const silent = new Set(['ImportDeclaration', 'TSInterfaceDeclaration', 'TSTypeAliasDeclaration']);

/**
 * The source map (version 3) of `code` cut down to what stack traces and breakpoints need: it maps wherever the source's line changes, has no
 * names, and of every source the code, each line at its number, with half its indent. What it maps is `code` in lines that begin at `starts`.
 */
export function slimMap(map, code, starts) {
  const used = new Map();
  const codes = map.sources.map((path, source) =>
    generated.test(path) ? '' : codeOf(path, map.sourcesContent[source]),
  );
  const indents = codes.map((code) => code.split('\n').map(indentOf));
  const mappings = starts.map(() => []);
  const places = placesIn(code, decode(map.mappings));
  let line = 0;
  let last = '';
  for (const { at, segment } of places) {
    const [, source, sourceLine, sourceColumn] = segment;
    if (source === undefined || generated.test(map.sources[source])) continue;
    while (starts[line + 1] <= at) {
      line++;
      last = '';
    }
    if (last === `${source}:${sourceLine}`) continue;
    last = `${source}:${sourceLine}`;
    if (!used.has(source)) used.set(source, used.size);
    const moved = halved(indents[source][sourceLine], sourceColumn);
    mappings[line].push([at - starts[line], used.get(source), sourceLine, moved]);
  }
  const indexes = [...used.keys()];
  return {
    version: 3,
    sources: indexes.map((index) => map.sources[index]),
    sourcesContent: indexes.map((index) => outdent(codes[index])),
    names: [],
    mappings: encode(mappings),
  };
}

/** The segments of a map, each with where in `code` it is. */
function placesIn(code, mappings) {
  const lines = code.split('\n');
  let start = 0;
  return mappings.flatMap((segments, line) => {
    const places = segments.map((segment) => ({ at: start + segment[0], segment }));
    start += lines[line].length + 1;
    return places;
  });
}

/** Spaces that `line` begins with. */
function indentOf(line) {
  return line.length - line.trimStart().length;
}

/** Where `column` of a line indented by so many spaces is once two of them are one. */
function halved(indent, column) {
  const before = Math.min(indent, column);
  return column - before + Math.ceil(before / 2);
}

/** `code` with half its indent. */
function outdent(code) {
  return code.replace(/^ +/gm, (spaces) => ' '.repeat(halved(spaces.length, spaces.length)));
}

/** `text` without comments, imports and types; what stays keeps its line and column. */
function codeOf(path, text) {
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  const empty = program.body.filter((node) => silent.has((node.declaration ?? node).type));
  let code = text;
  for (const { start, end } of [...comments, ...empty]) {
    code = code.slice(0, start) + code.slice(start, end).replace(/[^\n]/g, ' ') + code.slice(end);
  }
  return code.replace(/[ \t]+$/gm, '');
}
