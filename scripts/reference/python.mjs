/** Python: what `__all__` names, each class with its public methods and those of its bases that are not public themselves. */
import { depthOf } from './blocks.mjs';

/** The line after the docstring that a body begins with. */
function endOfDocstring(lines) {
  const first = lines.findIndex((line) => line !== '');
  if (!lines[first]?.trim().startsWith('"""')) return 0;
  if (/""".*"""$/.test(lines[first].trim())) return first + 1;
  return lines.findIndex((line, i) => i > first && line.trim().endsWith('"""')) + 1;
}

/** `def`, `class` and annotated names at one indent, with what is above them and, for a class, the lines of its body. */
function declarations(lines, indent) {
  const found = [];
  let above = [];
  const from = endOfDocstring(lines);
  for (let i = from; i < lines.length; i++) {
    const at = lines[i].startsWith(indent) ? lines[i].slice(indent.length) : '';
    if (lines[i].trim() === '') above = [];
    if (at === '' || /^\s/.test(at)) continue;
    if (/^(?:@|#:)/.test(at)) above.push(at);
    else if (/^(?:async def|def|class) /.test(at)) {
      const head = [];
      for (; ; i++) {
        head.push(lines[i].slice(indent.length));
        if (depthOf(head.join('\n')) === 0 && /:(?: \.\.\.)?$/.test(lines[i])) break;
      }
      const body = [];
      while (i + 1 < lines.length && (lines[i + 1] === '' || lines[i + 1].startsWith(`${indent}    `)))
        body.push(lines[++i]);
      found.push({ above, head, body, name: /(?:def|class) (\w+)/.exec(head[0])[1] });
      above = [];
    } else {
      const head = [at];
      while (depthOf(head.join('\n')) > 0) head.push(lines[++i].slice(indent.length));
      const name = /^(\w+)(?::| =)/.exec(at)?.[1];
      if (name) found.push({ above, head, body: [], name });
      above = [];
    }
  }
  return found;
}

/** The docstring at the beginning of a body, as lines without their quotes. */
function docstring(body) {
  const [first = '', ...rest] = body;
  if (!first.trim().startsWith('"""')) return [];
  if (/""".*"""$/.test(first.trim())) return [first.trim().slice(3, -3)];
  const end = rest.findIndex((line) => line.trim().endsWith('"""'));
  const indent = first.search(/\S/);
  return [
    first.trim().slice(3),
    ...rest.slice(0, end + 1).map((line) => line.slice(indent).replace(/"""$/, '')),
  ].filter((line, i, all) => i < all.length - 1 || line !== '');
}

function members(lines) {
  const all = declarations(lines, '    ');
  const overloads = new Set();
  return all.flatMap(({ above, head, body, name }) => {
    if (/^_(?!_init__)/.test(name)) return [];
    const overload = above.includes('@overload');
    if (overload) overloads.add(name);
    const doc = docstring(body);
    // Below overloads stands their implementation, whose docstring is all that counts of it.
    if (!overload && overloads.has(name)) return doc.length === 0 ? [] : moved(doc.map((line) => `# ${line}`));
    const isFunction = /^(?:async )?def /.test(head[0]);
    const code = [...above, ...head];
    if (isFunction && doc.length > 0)
      code.push(
        ...(doc.length === 1
          ? [`    """${doc[0]}"""`]
          : [`    """${doc[0]}`, ...doc.slice(1).map((each) => each && `    ${each}`), '    """']),
      );
    else if (isFunction) code[code.length - 1] = code.at(-1).replace(/:(?: \.\.\.)?$/, ': ...');
    return [...(isFunction && !overload ? [''] : []), ...moved(code)];
  });
}

const moved = (lines) => lines.map((line) => line && `    ${line}`);

export function items(files) {
  const byFile = new Map(
    files.map(([file, lines]) => [file, declarations(lines, '').map((each) => ({ ...each, file }))]),
  );
  const entry = files.find(([file]) => file === '__init__.py')[1].join('\n');
  /** Not a name that the entry takes from another file. */
  const imported = (file, name) => {
    const from = [...entry.matchAll(/^from \.(\w+) import (\([^)]*\)|.*)$/gm)].find(([, , names]) =>
      names.match(/\w+/g).includes(name),
    );
    return file.includes('/') || !from || file === `${from[1]}.py`;
  };
  const find = (name, folder) =>
    [...byFile]
      .filter(([file]) => file.startsWith(folder) && (folder !== '' || !file.includes('/')))
      .flatMap(([file, all]) => all.filter((each) => each.name === name && imported(file, name)))[0];
  const names = (path) => {
    const text = files.find(([file]) => file === path)[1].join('\n');
    return [.../^__all__ = \[([\s\S]*?)\]/m.exec(text)[1].matchAll(/"(\w+)"/g)].map(([, name]) => name);
  };
  const item = (name, folder, exported) => {
    const found = find(name, folder);
    if (!found) throw new Error(`no declaration of ${name}`);
    const { above, head, body, file } = found;
    const bases = /^class \w+\((.*)\):/.exec(head.join(' '))?.[1].split(', ') ?? [];
    const hidden = bases.map((base) => base.replace(/\[.*/, '')).filter((base) => !exported.includes(base));
    const inherited = hidden.map((base) => (find(base, folder) ?? find(base, ''))?.body ?? []);
    const isClass = head[0].startsWith('class ');
    const doc =
      docstring(body).join('\n') ||
      above
        .filter((line) => line.startsWith('#:'))
        .map((line) => line.slice(3))
        .join('\n');
    const inner = isClass ? [...inherited, body].flatMap(members) : [];
    const decorators = above.filter((line) => line.startsWith('@'));
    const code = [
      ...decorators,
      ...head.slice(0, -1),
      inner.length ? head.at(-1) : head.at(-1).replace(/:$/, ': ...'),
      ...inner,
    ];
    return { name: folder === '' ? name : `aio.${name}`, file, text: doc, code };
  };
  const top = names('__init__.py');
  const aio = names('aio/__init__.py');
  return [
    ...top.map((name) => (find(name, '') ? item(name, '', top) : undefined)).filter(Boolean),
    ...aio.filter((name) => name !== 'connect').map((name) => item(name, 'aio/', aio)),
  ];
}
