/** Java: public types with their public members. */
import { blocksOf, signatureOf, textOf } from './blocks.mjs';

/** Javadoc as Markdown's plain text, up to its first tag. */
const plain = (text) =>
  text
    .replace(/\{@(?:code|link|linkplain) #?([^}]*)\}/g, '`$1`')
    .replace(/<\/?(?:p|em|b)>/g, '\n')
    .replace(/(?:^|\n)@(?!param)\w[\s\S]*$/, '')
    .replace(/(?:^|\n)@param (\S+) /g, '\n\n`$1`: ');

const KIND = /\b(class|interface|record|enum|@interface) (\w+)/;

function members(body, indent, within) {
  const lines = [];
  const inner = [];
  for (const block of blocksOf(body, { indent })) {
    const head = block.head[0];
    if (block.attributes.some((each) => each.startsWith('@Override'))) continue;
    if (within === 'interface' ? /^private /.test(head) : !/^public /.test(head)) continue;
    if (KIND.test(head) && !head.includes(' = ')) {
      inner.push(block);
      continue;
    }
    const signature = signatureOf(block.head)
      .replace(/ =[\s\S]*$/, '')
      .replace(/;$/, '');
    if (lines.length > 0 && block.comment.length > 0) lines.push('');
    lines.push(...[...block.comment, ...signature.split('\n')].map((line) => `  ${line}`));
    lines[lines.length - 1] += ';';
  }
  return { lines, inner };
}

function typeOf(block, file, indent, outer) {
  const [, kind, own] = KIND.exec(block.head.join(' '));
  const name = outer ? `${outer}.${own}` : own;
  const head = signatureOf(block.head);
  const body = block.body ?? [];
  if (kind === 'enum')
    return [
      {
        name,
        file,
        text: plain(textOf(block.comment)),
        code: [`${head} {`, ...body.map((line) => line.slice(indent.length)), '}'],
      },
    ];
  const { lines, inner } = members(body, `${indent}  `, kind);
  const code = lines.length === 0 ? [head] : [`${head} {`, ...lines, '}'];
  return [
    { name, file, text: plain(textOf(block.comment)), code },
    ...inner.flatMap((each) => typeOf(each, file, `${indent}  `, name)),
  ];
}

export function items(files) {
  return files.flatMap(([file, lines]) =>
    blocksOf(lines)
      .filter(({ head }) => /^public /.test(head[0]))
      .flatMap((block) => typeOf(block, file, '')),
  );
}
