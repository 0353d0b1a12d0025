import { Option } from 'commander';
import { Usage } from '../errors.js';

/** An option; errors of its parser name the option. */
export function option(flags: string, description: string, parser?: (text: string) => unknown): Option {
  const result = new Option(flags, description);
  if (!parser) return result;
  return result.argParser((text: string) => {
    try {
      return parser(text);
    } catch (error) {
      throw error instanceof Usage ? new Usage(`${result.long}: ${error.message}`) : error;
    }
  });
}
