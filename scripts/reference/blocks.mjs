/**
 * Declarations as a formatter leaves them: each begins at its indent, and its body ends with a brace at that indent. So no
 * compiler is needed, and the pages of all clients are checked wherever Node runs.
 */

/** How deep the brackets of a text are open at its end; text and characters in quotes are left out. */
export function depthOf(text) {
  const bare = text.replace(/\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'|`[^`]*`|\/\/.*$/gm, '');
  return (bare.match(/[([{]/g)?.length ?? 0) - (bare.match(/[)\]}]/g)?.length ?? 0);
}

/**
 * The declarations at one indent: `comment`, `attributes` and `head` (up to the body) as lines, and `body`, the lines between
 * its braces. `ends` says where a head without a body ends: at a semicolon, or at its line (Go).
 */
export function blocksOf(lines, { indent = '', ends = ';' } = {}) {
  const blocks = [];
  let comment = [];
  let attributes = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    const at = line.startsWith(indent) && !/^\s/.test(line.slice(indent.length)) ? line.slice(indent.length) : '';
    if (at === '') {
      if (line.trim() === '') [comment, attributes] = [[], []];
    } else if (/^\/\/(?!!)/.test(at)) comment.push(at);
    else if (at.startsWith('/*')) {
      comment = [];
      for (; ; i++) {
        comment.push(lines[i].slice(indent.length));
        if (lines[i].includes('*/')) break;
      }
    } else if (/^(?:#\[|@)/.test(at) && !/^@interface/.test(at)) {
      attributes.push(at);
      while (depthOf(attributes.join('\n')) > 0) attributes.push(lines[++i].slice(indent.length));
    } else {
      const block = { comment, attributes, head: [], body: undefined };
      [comment, attributes] = [[], []];
      for (; i < lines.length; i++) {
        block.head.push(lines[i].slice(indent.length).trimEnd());
        const text = block.head.join('\n');
        const depth = depthOf(text);
        if (
          /[{(]$/.test(text) &&
          depth === 1 &&
          !/^(?:export )?type \w+.*=/.test(text) &&
          (text.endsWith('{') || /^(?:const|var|type) \($/.test(text))
        ) {
          block.body = [];
          while (!/^[})]/.test(lines[++i]?.slice(indent.length) ?? '}') || lines[i].search(/\S/) !== indent.length)
            block.body.push(lines[i]);
          break;
        }
        if (depth === 0 && (ends === 'line' || /[;}]$/.test(text) || (text.endsWith(',') && !/\bfn\b/.test(text))))
          break;
      }
      blocks.push(block);
    }
  }
  return blocks;
}

/** The text of a comment, without its marks. */
export const textOf = (comment) =>
  comment
    .map((line) => line.replace(/^\s*(?:\/\*\*?|\*\/|\*(?!\/)|\/\/[/!]?|#:) ?/, '').replace(/ ?\*\/$/, ''))
    .join('\n')
    .trim();

/** A head without the brace of its body, or the body that it has on its own line. */
export const signatureOf = (head) => head.join('\n').replace(/(?: \{ .*\}| \{\}?)$/s, '');

/** Lines below an indent, moved to it. */
export const moved = (lines, indent) => lines.map((line) => (line === '' ? '' : indent + line));
