/**
 * Delta formats of one's own:
 *
 *     chord serve --plugin ./examples/formats.js
 *     chord watch room:1 --format lines
 *
 * or from code: `startChord({ formatters })`. A formatter is given the changes of one delta and answers any JSON.
 */

/** One line of text for each change. Of a list only the elements that changed are in it. */
function lines({ contextId, changes }) {
  return changes.map(({ action, path, value, index, removedCount, inserted }) => {
    const place = `${contextId} ${path.join('.')}`;
    if (action === 'removed') return `${place}: gone`;
    if (action === 'spliced') return `${place}[${index}]: ${removedCount} gone, new are ${JSON.stringify(inserted)}`;
    return `${place}: ${JSON.stringify(value)}`;
  });
}

/** The new values by their dotted paths; null for what is gone. `wholeLists`: no splices, lists come whole. */
const values = {
  wholeLists: true,
  format: ({ changes }) => Object.fromEntries(changes.map(({ path, value }) => [path.join('.'), value ?? null])),
};

export const formatters = { lines, values };

export default { formatters };
