import { parseSync, Visitor } from 'rolldown/utils';

/** Of each line of the bundled `code` how many tabs it begins with that say nothing: none where it goes on with a template literal. */
export function indentsOf(path, code) {
  const { program, errors } = parseSync(path, code);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  const texts = [];
  const visitor = new Visitor({
    TemplateElement: ({ start, end }) => void texts.push([start, end]),
  });
  visitor.visit(program);
  let next = 0;
  return code.split('\n').map((line) => {
    const begin = next;
    next += line.length + 1;
    const isText = texts.some(([start, end]) => start < begin && begin <= end);
    return isText ? 0 : line.length - line.replace(/^\t+/, '').length;
  });
}

/** `code` without these tabs. */
export function flatten(code, indents) {
  const lines = code.split('\n');
  return lines.map((line, index) => line.slice(indents[index])).join('\n');
}
