/** Rust: what lib.rs re-exports, with the methods of all `impl` blocks, those of macros included. */
import { blocksOf, signatureOf, textOf } from './blocks.mjs';

const plain = (text) => text.replace(/\[(`[^`]+`)\](?:\([^)]*\))?/g, '$1').replace(/```[\s\S]*?```/g, '');

/** What is seen of a comment: no example, which the documentation of rustdoc has. */
const commentOf = (comment) => {
  const text = plain(textOf(comment)).trim();
  return text === '' ? [] : text.split('\n').map((line) => `/// ${line}`.trimEnd());
};

/** Public fields, or variants. */
function members(body, all) {
  return blocksOf(body, { indent: '    ' })
    .filter(({ head }) => all || /^pub (?!\()|^pub\((?!crate)/.test(head[0]))
    .flatMap(({ comment, head, body: inner }) => [
      ...commentOf(comment).map((line) => `    ${line}`),
      ...head.map((line) => `    ${line}`),
      ...(inner ? [...inner, '    },'] : []),
    ]);
}

const methodsOf = (body, indent) =>
  blocksOf(body, { indent })
    .filter(({ head }) => /^pub (?!\()/.test(head[0]))
    .flatMap(({ comment, head }) => ['', ...commentOf(comment), signatureOf(head).replace(/\s*\{$/, '')]);

export function items(files) {
  const exported = new Set();
  const lib = files.find(([file]) => file === 'lib.rs')[1].join('\n');
  for (const [, , names] of lib.matchAll(/^pub use (\w+)::(\{[^}]*\}|\w+);/gm))
    for (const name of names.match(/\w+/g)) exported.add(name);
  const found = [];
  const methods = new Map();
  const addMethods = (name, lines) => methods.set(name, [...(methods.get(name) ?? []), ...lines]);
  for (const [file, lines] of files) {
    const outer = blocksOf(lines);
    const inner = outer.filter(({ head }) => /^mod \w+ \{$/.test(head[0]) && head[0] !== 'mod tests {');
    const blocks = [...outer, ...inner.flatMap(({ body }) => blocksOf(body.map((line) => line.slice(4))))];
    for (const { comment, head, body } of blocks) {
      const first = head[0];
      const named = /^pub (?:async )?(struct|enum|trait|fn|type|const) (\w+)/.exec(first);
      const implemented = /^impl(?:<.*?>)? (\w+)(?:<.*>)? \{$/.exec(first);
      const rules = /^macro_rules! (\w+)/.exec(first)?.[1];
      if (named && exported.has(named[2])) {
        const [, kind, name] = named;
        const inner = body && (kind === 'struct' || kind === 'enum') ? members(body, kind === 'enum') : [];
        const head0 =
          kind === 'struct' && !body ? first.replace(/(?:\(.*\))?;/, ' { /* private fields */ }') : signatureOf(head);
        found.push({
          name,
          file,
          text: plain(textOf(comment)),
          code:
            inner.length > 0
              ? [`${head0} {`, ...inner, '}']
              : [kind === 'struct' && body ? `${head0} { /* private fields */ }` : head0],
        });
      }
      if (implemented) addMethods(implemented[1], methodsOf(body, '    '));
      if (rules) {
        const from = body.indexOf('        impl $call {');
        const use = new RegExp(`^${rules}!\\(([\\w ]+)\\);$`, 'm').exec(lines.join('\n'))?.[1];
        const inner = methodsOf(from < 0 ? [] : body.slice(from + 1, body.indexOf('        }', from)), '            ');
        for (const name of use?.split(' ') ?? []) addMethods(name, inner);
      }
      // The table of the reasons is a macro's, too.
      if (first === 'reasons! {') {
        const variants = body.map((line) => line.replace(/^(\s+\w+) "(\w+)"$/, '$1, // $2'));
        const text = "What went wrong: the server's word, or else the name of gRPC's code.";
        found.push({
          name: 'Reason',
          file,
          text,
          code: [
            'pub enum Reason {',
            ...variants,
            '    /// One that this client does not know.',
            '    Other(String),',
            '}',
          ],
        });
      }
    }
  }
  for (const item of found) item.code.push(...(methods.get(item.name) ?? []));
  return found;
}
