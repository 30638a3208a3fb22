import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { parseSync, Visitor } from 'rolldown/utils';

/**
 * What of the .d.ts files in `directory` a user of `entries` can see: each file's text without the declarations, and the parts of its imports, that nothing
 * which an entry exports mentions. By path. Entries are paths without extension.
 */
export async function visibleDeclarations(directory, entries) {
  const modules = new Map();
  const moduleOf = async (name) => {
    if (!modules.has(name)) modules.set(name, readModule(directory, name));
    return modules.get(name);
  };
  const wanted = [];
  for (const entry of entries) wanted.push([entry, '*']);
  while (wanted.length > 0) {
    const [name, what] = wanted.pop();
    want(await moduleOf(name), what, wanted);
  }
  const visible = new Map();
  for (const [name, reading] of modules) {
    const text = textOf(await reading);
    if (text !== undefined) visible.set(`${name}.d.ts`, text);
  }
  return visible;
}

/** A module's statements, each with the names it declares, imports or passes on, and those it mentions. */
async function readModule(directory, name) {
  const path = join(directory, `${name}.d.ts`);
  const text = await readFile(path, 'utf8');
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  let end = 0;
  const statements = program.body.map((node) => {
    const statement = { ...statementOf(node), lead: text.slice(end, node.start) };
    end = node.end;
    return { ...statement, text: text.slice(node.start, node.end), isWanted: false };
  });
  const from = (source) => posix.join(posix.dirname(name), source.replace(/\.js$/, ''));
  return { statements, from };
}

function statementOf(node) {
  const { type, source, declaration, specifiers } = node;
  const mentions = mentionsOf(node);
  if (type === 'ImportDeclaration' || (type === 'ExportNamedDeclaration' && !declaration)) {
    const passes = type !== 'ImportDeclaration';
    const names = specifiers.map((each) => ({
      here: (passes ? each.exported : each.local).name,
      there: (passes ? each.local : each.imported)?.name ?? '*',
      text: [each.start, each.end].map((at) => at - node.start),
      isWanted: false,
    }));
    return { kind: passes ? 'passes' : 'imports', source: source?.value, names };
  }
  if (type === 'ExportAllDeclaration') return { kind: 'all', source: source.value };
  const declared = type === 'ExportNamedDeclaration' ? declaration : node;
  const ids = declared.declarations?.map(({ id }) => id) ?? [declared.id];
  return {
    kind: 'declares',
    names: ids.map(({ name }) => name),
    isExported: declared !== node,
    mentions,
  };
}

/** Every name in it, and what `import('./x.js').Name` says. */
function mentionsOf(node) {
  const names = new Set();
  const imports = [];
  const visitor = new Visitor({
    Identifier: ({ name }) => void names.add(name),
    TSImportType: ({ source, qualifier }) =>
      void imports.push([source.value, qualifier?.name ?? qualifier?.left.name ?? '*']),
  });
  visitor.visit({ type: 'Program', body: [node], sourceType: 'module', start: 0, end: node.end });
  return { names, imports };
}

/** Marks what of a module `what` (an exported name, '*' for all of them) needs, and adds what it needs of others to `wanted`. */
function want({ statements, from }, what, wanted) {
  const isMeant = (name) => what === '*' || name === what;
  for (const statement of statements) {
    if (statement.kind === 'declares' && statement.isExported && statement.names.some(isMeant)) {
      wantStatement(statements, statement, from, wanted);
    } else if (statement.kind === 'passes') {
      for (const name of statement.names) {
        if (isMeant(name.here)) wantName(statements, name, statement, from, wanted);
      }
    } else if (statement.kind === 'all') {
      wantSource(statement, from, what, wanted);
    }
  }
}

/** Of `export *` it is not known which name it has: whoever lacks it takes nothing from there. */
function wantSource(statement, from, what, wanted) {
  statement.isWanted = true;
  if (statement.wanted?.has(what)) return;
  statement.wanted = new Set(statement.wanted).add(what);
  wanted.push([from(statement.source), what]);
}

/** A name that is imported, or passed on: from another module, or from this one. */
function wantName(statements, name, { source }, from, wanted) {
  if (name.isWanted) return;
  name.isWanted = true;
  if (source === undefined) wantNames(statements, new Set([name.there]), from, wanted);
  else if (source.startsWith('.')) wanted.push([from(source), name.there]);
}

function wantStatement(statements, statement, from, wanted) {
  if (statement.isWanted) return;
  statement.isWanted = true;
  const { names, imports } = statement.mentions;
  for (const [source, name] of imports) {
    if (source.startsWith('.')) wanted.push([from(source), name]);
  }
  wantNames(statements, names, from, wanted);
}

/** What of a module these names are, as seen inside it. */
function wantNames(statements, names, from, wanted) {
  for (const statement of statements) {
    if (statement.kind === 'declares' && statement.names.some((name) => names.has(name))) {
      wantStatement(statements, statement, from, wanted);
    } else if (statement.kind === 'imports') {
      for (const name of statement.names) {
        if (names.has(name.here)) wantName(statements, name, statement, from, wanted);
      }
    }
  }
}

/** The wanted statements with the comments in front of them; undefined: there are none. */
function textOf({ statements }) {
  let text = '';
  for (const statement of statements) {
    const { kind, lead, names } = statement;
    if (kind === 'declares' && statement.isWanted) text += lead + statement.text;
    if (kind === 'all' && statement.isWanted) text += lead + statement.text;
    if (kind !== 'imports' && kind !== 'passes') continue;
    const kept = names.filter(({ isWanted }) => isWanted);
    if (kept.length === names.length) text += lead + statement.text;
    else if (kept.length > 0) text += lead + withNames(statement.text, kept);
  }
  if (text === '') return undefined;
  const hasExports = statements.some(
    ({ kind, isExported, isWanted }) => kind === 'declares' && isExported && isWanted,
  );
  return `${text.trimStart()}\n${hasExports ? '' : 'export {};\n'}`;
}

/** `import { a, b, c } from './x.js';` with some of its names only. */
function withNames(text, kept) {
  const list = kept.map(({ text: [start, end] }) => text.slice(start, end)).join(', ');
  return `${text.slice(0, text.indexOf('{'))}{ ${list} ${text.slice(text.indexOf('}'))}`;
}
