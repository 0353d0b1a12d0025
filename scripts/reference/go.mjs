/** Go: what is exported at the top of each file, methods below their type. */
import { blocksOf, signatureOf, textOf } from './blocks.mjs';

/** The exported fields of a struct, or methods of an interface, with their comments. */
function members(body) {
  return blocksOf(body, { indent: '\t', ends: 'line' })
    .filter(({ head }) => /^(?:\*?(?:\w+\.)?)?[A-Z]/.test(head[0]))
    .flatMap(({ comment, head }) => [...comment, ...head].map((line) => `\t${line}`));
}

export function items(files) {
  const found = [];
  const methods = [];
  for (const [file, lines] of files) {
    for (const { comment, head, body } of blocksOf(lines, { ends: 'line' })) {
      const text = textOf(comment);
      const method = /^func \(\w* ?\*?(\w+)(?:\[.*?\])?\) ([A-Z]\w*)/.exec(head[0]);
      if (method) methods.push({ type: method[1], lines: [...comment, signatureOf(head)] });
      const name = /^func ([A-Z]\w*)|^type ([A-Z]\w*)|^(?:var|const) ([A-Z]\w*)/.exec(head[0])?.slice(1).find(Boolean);
      if (name && body && /^type \w+(?:\[.*\])? (?:struct|interface) \{$/.test(head.at(-1))) {
        const inner = members(body);
        found.push({
          name,
          file,
          text,
          code: inner.length === 0 ? [`${signatureOf(head)}{ ... }`] : [...head, ...inner, '}'],
        });
      } else if (name)
        found.push({ name, file, text, code: [head[0].startsWith('func') ? signatureOf(head) : head.join('\n')] });
      else if (body && /^(?:var|const) \($/.test(head[0])) {
        const inner = members(body);
        const first = inner.find((line) => /^\t[A-Z]/.test(line));
        const type = first && /^\t\w+\s+([A-Z]\w*)/.exec(first)?.[1];
        if (first)
          found.push({
            name: type ?? first.trim().split(/\W/)[0],
            values: true,
            file,
            text,
            code: [...head, ...inner, ')'],
          });
      }
    }
  }
  const types = found.filter(({ values }) => !values);
  for (const values of found.filter((each) => each.values)) {
    const type = types.find(({ name }) => name === values.name);
    if (type) type.code.push('', ...values.code);
    else types.push(values);
  }
  for (const { type, lines } of methods) types.find(({ name }) => name === type)?.code.push('', ...lines);
  return types;
}
