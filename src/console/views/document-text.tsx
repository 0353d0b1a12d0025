/** A document as text, with what is wrong with the text. */
import { useId } from 'preact/hooks';
import type { ParsedDocument } from '../json/parse.js';

interface DocumentTextProps {
  readonly label: string;
  readonly text: string;
  readonly parsed: ParsedDocument;
  readonly onText: (text: string) => void;
}

export function DocumentText({ label, text, parsed, onText }: DocumentTextProps) {
  const id = useId();
  const fault = 'fault' in parsed ? parsed.fault : '';
  return (
    <>
      <label>
        {label}
        <textarea
          spellcheck={false}
          value={text}
          aria-invalid={fault !== ''}
          aria-describedby={id}
          onInput={(event) => onText(event.currentTarget.value)}
        />
      </label>
      <p id={id} class="fault" role="status">
        {fault}
      </p>
    </>
  );
}
