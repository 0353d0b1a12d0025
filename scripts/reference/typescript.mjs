/** TypeScript: what the entries export, each class with its public members and those of its bases that no entry exports. */
import { blocksOf, signatureOf, textOf } from './blocks.mjs';

const ENTRIES = ['index.ts', 'web.ts', 'react.ts', 'opentelemetry.ts'];
const NAMED = /^export (?:declare |abstract |async )*(?:class|interface|type|function|const) (\w+)/;

const plain = (text) => text.replace(/(?:^|\s)@(\w+) /g, '\n\n@$1 ');

/** The public members of a class or an interface. */
function members(body, except = /^warn\b|^readonly warn\b/) {
  const overloads = new Set();
  return blocksOf(body, { indent: '  ' }).flatMap(({ comment, head, body: inner }) => {
    if (/^(?:#|private|protected|async \[?#|static #|\*|get #|set #)|^(?:readonly |async |static |\*)*#/.test(head[0]))
      return [];
    if (except.test(head[0])) return [];
    const isCode = inner && /[)>\w\]] \{$/.test(head.at(-1)) && !/: \{$/.test(head.at(-1));
    const code =
      isCode || /\) \{ .*\}$|\{\}$/.test(head.at(-1))
        ? [`${signatureOf(head)};`]
        : inner
          ? [...head, ...inner.map((line) => line.slice(2)), '};']
          : head;
    // Below overloads stands their implementation.
    const method = /^(?:async )?\*?(\w+)[<(]/.exec(head[0])?.[1];
    if (method && isCode && overloads.has(method)) return [];
    if (method && !inner) overloads.add(method);
    return [...comment.filter((line) => !line.includes('biome-ignore')), ...code]
      .flatMap((text) => text.split('\n'))
      .map((line) => line && `  ${line}`);
  });
}

export function items(files) {
  const all = new Map();
  for (const [file, lines] of files) {
    for (const block of blocksOf(lines)) {
      const name = /^(?:export )?(?:declare |abstract |async )*(?:class|interface|type|function|const) (\w+)/.exec(
        block.head[0],
      )?.[1];
      if (name && !all.has(`${file} ${name}`)) all.set(`${file} ${name}`, { ...block, name, file });
    }
  }
  const find = (name, file) =>
    all.get(`${file} ${name}`) ?? [...all.values()].find((each) => each.name === name && NAMED.test(each.head[0]));
  const exported = new Map();
  const follow = (entry) => {
    const text = files.find(([file]) => file === entry)[1].join('\n');
    for (const [, from] of text.matchAll(/^export \* from '\.\/(.*)\.js';/gm)) follow(`${from}.ts`);
    for (const [, names, from] of text.matchAll(/^export (?:type )?\{([^}]*)\} from '\.\/(.*)\.js';/gm))
      for (const name of names
        .split(',')
        .map((each) => each.trim().replace(/^type /, ''))
        .filter(Boolean))
        if (!exported.has(name)) exported.set(name, `${from}.ts`);
    for (const { name, file, head } of all.values())
      if (file === entry && NAMED.test(head[0]) && !exported.has(name)) exported.set(name, entry);
  };
  for (const entry of ENTRIES) follow(entry);
  // The options of a client are these.
  for (const name of ['TlsOptions']) exported.set(name, 'grpc-transport.ts');
  return [...exported].map(([name, file]) => {
    const { comment, head, body } = find(name, file) ?? {};
    if (!head) throw new Error(`no declaration of ${name}`);
    const text = plain(textOf(comment));
    const first = head.join('\n').replace(/^export /, '');
    if (!/^(?:abstract )?(?:class|interface) /.test(first)) {
      const isFunction = /^(?:async )?function /.test(first);
      return {
        name,
        file,
        text,
        code: isFunction ? [signatureOf([first])] : [first, ...(body ? [...body, '};'] : [])],
      };
    }
    const bases = [...first.replace(/replicaClass\(.*\)/, 'LiveCopy').matchAll(/\b([A-Z]\w+)\b/g)].map(
      ([, base]) => base,
    );
    const hidden = bases
      .filter((base) => base !== name && !exported.has(base))
      .map((base) => find(base, file))
      .filter((base) => base?.body);
    const inner = [
      ...hidden.flatMap((base) => members(base.body, /^(?:constructor\(|readonly warn\b)/)),
      ...members(body ?? []),
    ];
    return {
      name,
      file,
      text,
      code: inner.length === 0 ? [signatureOf([first])] : [`${signatureOf([first])} {`, ...inner, '}'],
    };
  });
}
