/** Who made what: each part of the document, with the version that made it what it is. */
import { useEffect, useState } from 'preact/hooks';
import type { BlameLine } from '../../../clients/typescript/src/blame.js';
import { blameContext } from '../api.js';
import { type Live, useLoad } from '../hooks.js';
import { Value } from '../json/value.js';
import { asJson } from '../json/visible.js';
import { Age, Authorship, Problem, pathText } from '../parts.js';
import { linkTo } from '../state.js';

/** Of the elements of a list, in UTF-16 units. */
const TEXT_MAX = 240;

export function BlameView({ id, live }: { readonly id: string; readonly live: Live }) {
  // The page tokens up to the page that is shown, and how often it was read anew.
  const [tokens, setTokens] = useState<readonly string[]>(['']);
  const [round, setRound] = useState(0);
  const { value, error, loading } = useLoad((signal) => blameContext(id, tokens.at(-1)!, signal), [id, round, tokens]);
  useEffect(() => setTokens(['']), [id, round]);
  if (error) return <Problem error={error} />;
  if (!value) return null;
  const { lines, position, olderThan, next } = value;
  const head = live.document!.position;
  const isBehind = head.version !== position.version || head.epoch !== position.epoch;
  return (
    <>
      <p class="change" role="status">
        <span class="hint">
          As of version {position.version.toLocaleString('en')}
          {olderThan > 0 && `; changes before version ${olderThan.toLocaleString('en')} are no longer retained`}
        </span>
        {isBehind && (
          <button type="button" class="link" onClick={() => setRound(round + 1)}>
            Read again at version {head.version.toLocaleString('en')}
          </button>
        )}
      </p>
      <table class={loading ? 'blame loading' : 'blame'}>
        <thead>
          <tr>
            <th scope="col">Version</th>
            <th scope="col">When</th>
            <th scope="col">Who</th>
            <th scope="col">What</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line, i) => (
            <Line
              key={`${line.path.join('\n')}\n${line.run?.index}`}
              id={id}
              line={isWholeText(line, lines[i + 1], next === '') ? { ...line, run: undefined } : line}
              olderThan={olderThan}
            />
          ))}
        </tbody>
      </table>
      <footer class="pages">
        <button type="button" disabled={tokens.length === 1} onClick={() => setTokens(tokens.slice(0, -1))}>
          Previous
        </button>
        <button type="button" disabled={next === ''} onClick={() => setTokens([...tokens, next])}>
          Next
        </button>
      </footer>
    </>
  );
}

/** Whether one version made all of a text: then its line needs no range. Runs of one text follow each other, on the next page too. */
function isWholeText(line: BlameLine, following: BlameLine | undefined, isLastPage: boolean): boolean {
  if (typeof line.value !== 'string' || line.run?.index !== 0) return false;
  return following ? JSON.stringify(following.path) !== JSON.stringify(line.path) : isLastPage;
}

interface LineProps {
  readonly id: string;
  readonly line: Omit<BlameLine, 'run'> & { readonly run?: BlameLine['run'] | undefined };
  readonly olderThan: number;
}

function Line({ id, line: { path, run, value, version, updatedAt, provenance }, olderThan }: LineProps) {
  const where = run && (run.count === 1 ? `[${run.index}]` : `[${run.index}–${run.index + run.count - 1}]`);
  return (
    <tr>
      <th scope="row">
        {version > 0 ? (
          <a href={linkTo({ id, version })} aria-label={`Version ${version}`}>
            {version.toLocaleString('en')}
          </a>
        ) : (
          <span class="hint">before {olderThan.toLocaleString('en')}</span>
        )}
      </th>
      <td>{version > 0 && <Age at={updatedAt} />}</td>
      <td>{version > 0 && <Authorship by={provenance} />}</td>
      <td class="what">
        <b>{pathText(path)}</b>
        {where}
        {path.length > 0 && ': '}
        {Array.isArray(value) ? asJson(value).slice(0, TEXT_MAX) : <Value value={value} />}
      </td>
    </tr>
  );
}
