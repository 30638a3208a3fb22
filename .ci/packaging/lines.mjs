import { parseSync, Visitor } from 'rolldown/utils';

/** Behind these a line break says what a semicolon does, unless what follows could go on with them. */
const ended = [
  'ExpressionStatement',
  'VariableDeclaration',
  'ReturnStatement',
  'ThrowStatement',
  'BreakStatement',
  'ContinueStatement',
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'PropertyDefinition',
];
const goesOn = /^[([`+\-*/]/;

/**
 * `code`, which is without whitespace, in lines: none has two statements, variables or members of a class that follow each other, and a stack trace says
 * which of them it was. `starts`: where in `code` each of the lines begins. Error if the lines would say anything else.
 */
export function inLines(path, code) {
  const program = parse(path, code);
  const { breaks, ends } = placesOf(program);
  let text = '';
  let end = 0;
  for (const start of breaks) {
    const isSaid = ends.has(start) && code[start - 1] === ';' && !goesOn.test(code[start]);
    text += `${code.slice(end, isSaid ? start - 1 : start)}\n`;
    end = start;
  }
  text += code.slice(end);
  if (shapeOf(parse(path, text)) !== shapeOf(program)) {
    throw new Error(`${path} means something else in lines`);
  }
  const starts = new Set([0, ...breaks]);
  for (const { index } of code.matchAll(/\n/g)) starts.add(index + 1);
  return { text, starts: [...starts].sort((a, b) => a - b) };
}

function parse(path, code) {
  const { program, errors } = parseSync(path, code);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  return program;
}

/** `breaks`: where a line is to begin, ascending; `ends`: where something of `ended` ends. */
function placesOf(program) {
  const breaks = new Set();
  const ends = new Set();
  const list = (nodes) => {
    for (const { start } of nodes.slice(1)) breaks.add(start);
  };
  const body = ({ body }) => list(body);
  new Visitor({
    Program: body,
    BlockStatement: body,
    StaticBlock: body,
    ClassBody: body,
    SwitchStatement: ({ cases }) => list(cases),
    SwitchCase: ({ consequent }) => list(consequent),
    VariableDeclaration: ({ declarations }) => list(declarations),
  }).visit(program);
  const ending = ({ end }) => void ends.add(end);
  new Visitor(Object.fromEntries(ended.map((kind) => [kind, ending]))).visit(program);
  return { breaks: [...breaks].sort((a, b) => a - b), ends };
}

/** What a program says, but for where. */
function shapeOf(program) {
  return JSON.stringify(program, (key, value) => {
    if (key === 'start' || key === 'end') return undefined;
    return typeof value === 'bigint' ? String(value) : value;
  });
}
